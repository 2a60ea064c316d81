"""Index of the models of this wing; each stands in its room, all keep the label `fraud`."""

from fraud.cases.models import (  # noqa: F401
    Alert,
    Case,
    CaseDecision,
    CaseFile,
    CaseJoin,
    CaseNote,
    SuspicionReport,
)
from fraud.decisions.models import Backtest, Decision, DecisionReview, Replay, RuleHit, WantedHold  # noqa: F401
from fraud.exposure.models import ExposureSnapshot  # noqa: F401
from fraud.features.models import Feed, FraudEvent, FraudLabel  # noqa: F401
from fraud.lists.models import ListedValue, ListsVersion  # noqa: F401
from fraud.model.models import ModelVersion  # noqa: F401
from fraud.policies.models import FraudPolicy  # noqa: F401
from fraud.rules.models import Rule, RuleSet, RuleVersion  # noqa: F401
from fraud.screening.models import (  # noqa: F401
    Check,
    Clearance,
    Hit,
    ListEntry,
    ListVersion,
    Party,
    ScreeningList,
    ScreeningPass,
    ScreeningPolicy,
    ServerEdition,
)
