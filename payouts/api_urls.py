"""The addresses of this wing in the API."""

from django.urls import path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from payouts.sellers import api as sellers

urlpatterns = [
    path("sellers", sellers.Sellers.as_view()),
    path("sellers/<public_id:seller_id>", sellers.OneSeller.as_view()),
    path("sellers/<public_id:seller_id>/balance", sellers.SellerBalance.as_view()),
    path("sellers/<public_id:seller_id>/payee_accounts", sellers.SellerPayeeAccounts.as_view()),
]
