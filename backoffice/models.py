"""Index of the models of the project's own rooms; rooms keep the label `backoffice`."""

from backoffice.desk.models import BooksCheck  # noqa: F401 - Django looks for models here
from backoffice.kit.approvals import Approval  # noqa: F401 - Django looks for models here
from backoffice.kit.idempotency import IdempotencyRecord  # noqa: F401 - Django looks for models here
from backoffice.kit.outbox import Event, EventConsumption  # noqa: F401 - Django looks for models here
from backoffice.kit.states import StateChange  # noqa: F401 - Django looks for models here
from backoffice.kit.ticks import JobRun  # noqa: F401 - Django looks for models here
from backoffice.partners.models import ApiKey, Partner  # noqa: F401 - Django looks for models here
from backoffice.partners.outgoing.models import (  # noqa: F401 - Django looks for models here
    DeliveryAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from backoffice.staff.models import AuditEntry, LoginAttempt, SignInLink  # noqa: F401 - Django looks for models here
