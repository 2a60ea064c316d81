"""Index of the models of this wing; each stands in its room, all keep the label `billing`."""

from billing.collection.models import BillingBrake, Collection, CollectionAttempt, DunningPolicy  # noqa: F401
from billing.customers.models import Customer  # noqa: F401
from billing.disputes.models import (  # noqa: F401
    Dispute,
    DisputeMovement,
    DisputePolicy,
    DisputeSubmission,
    EvidenceFile,
    EvidencePack,
)
from billing.gateways.models import FakeObject  # noqa: F401
from billing.invoices.models import (  # noqa: F401
    Application,
    CreditNote,
    CreditNoteLine,
    CreditNoteTax,
    Invoice,
    InvoiceDocument,
    InvoiceLine,
    InvoiceTax,
    LegalEntity,
    NumberSeries,
    TaxRate,
)
from billing.payments.models import Attempt, CardSetup, Payment  # noqa: F401
from billing.plans.models import Coupon, Plan, Price  # noqa: F401
from billing.reconciliation.models import (  # noqa: F401
    Break,
    DifferenceLine,
    Feed,
    MatchGroup,
    MatchRulebook,
    ProviderPayout,
    ReconciliationRun,
    StagedLine,
)
from billing.refunds.models import Refund, RefundLimit  # noqa: F401
from billing.subscriptions.models import (  # noqa: F401
    ClockAdvance,
    PendingLine,
    Redemption,
    RenewalBatch,
    RenewalItem,
    Subscription,
    SubscriptionChange,
)
from billing.webhooks.models import HealerMark, InboundEvent, RefusedNotice  # noqa: F401
