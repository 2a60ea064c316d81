"""The addresses of this wing in the API."""

from django.urls import URLPattern, path

from backoffice.kit.api import routes  # noqa: F401 - registers <public_id:…>
from billing.plans import api as plans
from billing.subscriptions import api as subscriptions

urlpatterns: list[URLPattern] = []

urlpatterns += [
    path("plans", plans.Plans.as_view()),
    path("plans/<public_id:plan_id>", plans.OnePlan.as_view()),
    path("subscriptions", subscriptions.Subscriptions.as_view()),
    path("subscriptions/<public_id:subscription_id>", subscriptions.OneSubscription.as_view()),
    path("subscriptions/<public_id:subscription_id>/change", subscriptions.SubscriptionChangeView.as_view()),
    path("subscriptions/<public_id:subscription_id>/preview", subscriptions.SubscriptionPreview.as_view()),
    path("subscriptions/<public_id:subscription_id>/pause", subscriptions.SubscriptionPause.as_view()),
    path("subscriptions/<public_id:subscription_id>/resume", subscriptions.SubscriptionResume.as_view()),
    path("subscriptions/<public_id:subscription_id>/cancel", subscriptions.SubscriptionCancel.as_view()),
    path("subscriptions/<public_id:subscription_id>/uncancel", subscriptions.SubscriptionUncancel.as_view()),
    path("customers/<public_id:customer_id>/advance", subscriptions.CustomerAdvance.as_view()),
]
