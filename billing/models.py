"""Index of the models of this wing; each stands in its room, all keep the label `billing`."""

from billing.collection.models import BillingBrake, Collection, CollectionAttempt, DunningPolicy  # noqa: F401
from billing.customers.models import Customer  # noqa: F401
from billing.plans.models import Coupon, Plan, Price  # noqa: F401
from billing.subscriptions.models import (  # noqa: F401
    ClockAdvance,
    PendingLine,
    Redemption,
    RenewalBatch,
    RenewalItem,
    Subscription,
    SubscriptionChange,
)
