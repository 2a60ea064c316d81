"""The addresses of this wing in the API."""

from django.urls import path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from payouts.compliance import api as compliance
from payouts.compliance import api_documents as compliance_documents
from payouts.compliance import api_persons as compliance_persons
from payouts.earnings import api as earnings
from payouts.runs import api as runs
from payouts.sellers import api as sellers
from payouts.statements import api as statements
from payouts.tradeins import api as tradeins

urlpatterns = [
    path("sellers", sellers.Sellers.as_view()),
    path("sellers/<public_id:seller_id>", sellers.OneSeller.as_view()),
    path("sellers/<public_id:seller_id>/balance", sellers.SellerBalance.as_view()),
    path("sellers/<public_id:seller_id>/payee_accounts", sellers.SellerPayeeAccounts.as_view()),
    path("sellers/<public_id:seller_id>/requirements", compliance.SellerRequirements.as_view()),
    path("sellers/<public_id:seller_id>/requirements/<public_id:requirement_id>/answer", compliance.RequirementAnswer.as_view()),
    path("sellers/<public_id:seller_id>/capabilities", compliance.SellerCapabilitiesView.as_view()),
    path("sellers/<public_id:seller_id>/persons", compliance_persons.SellerPersons.as_view()),
    path("sellers/<public_id:seller_id>/persons/<public_id:person_id>/remove", compliance_persons.PersonRemove.as_view()),
    path("sellers/<public_id:seller_id>/ownership", compliance_persons.SellerOwnership.as_view()),
    path("sellers/<public_id:seller_id>/documents", compliance_documents.SellerDocuments.as_view()),
    path("earnings", earnings.Earnings.as_view()),
    path("earnings/<public_id:earning_id>", earnings.OneEarning.as_view()),
    path("payouts", runs.Payouts.as_view()),
    path("payouts/<public_id:payout_id>", runs.OnePayout.as_view()),
    path("payouts/<public_id:payout_id>/lines", runs.PayoutLines.as_view()),
    path("payouts/<public_id:payout_id>/statement", statements.PayoutStatement.as_view()),
    path("payouts/<public_id:payout_id>/cancel", runs.PayoutCancel.as_view()),
    path("payout_eligibility", runs.PayoutEligibility.as_view()),
    path("trade_ins", tradeins.TradeIns.as_view()),
    path("trade_ins/<public_id:trade_in_id>", tradeins.OneTradeIn.as_view()),
    path("trade_ins/<public_id:trade_in_id>/inspection", tradeins.TradeInInspection.as_view()),
    path("trade_ins/<public_id:trade_in_id>/cancel", tradeins.TradeInCancel.as_view()),
]
