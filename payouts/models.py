"""Index of the models of this wing; each stands in its room, all keep the label `payouts`."""

from payouts.compliance.models import (  # noqa: F401 - Django looks for models here
    Claim,
    Document,
    DocumentBytes,
    DocumentPreview,
    Person,
    Requirement,
    ReviewMessage,
    RiskRating,
    SellerCapabilities,
    Stake,
)
from payouts.dispatch.models import BankFile, BankFileEntry, BankStatement, PaymentOrder, RailFile  # noqa: F401 - Django looks for models here
from payouts.earnings.models import Earning, EarningImport, RejectedLine  # noqa: F401 - Django looks for models here
from payouts.holds.models import Hold, ReservePlan  # noqa: F401 - Django looks for models here
from payouts.ledger.models import (  # noqa: F401 - Django looks for models here
    Account,
    Balance,
    Checkpoint,
    Entry,
    Horizon,
    Period,
    Posting,
)
from payouts.reporting.models import TaxFile, TaxReport, TaxReportFile, TaxReportLine  # noqa: F401 - Django looks for models here
from payouts.runs.models import Payout, PayoutRun, RunSkip  # noqa: F401 - Django looks for models here
from payouts.sellers.models import MinimumPayout, PayeeAccount, Seller, Tier  # noqa: F401 - Django looks for models here
from payouts.tradeins.models import TradeIn  # noqa: F401 - Django looks for models here
