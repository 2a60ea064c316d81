"""Index of the models of this wing; each stands in its room, all keep the label `billing`."""

from billing.customers.models import Customer  # noqa: F401
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
