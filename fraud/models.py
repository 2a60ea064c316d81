"""Index of the models of this wing; each stands in its room, all keep the label `fraud`."""

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
