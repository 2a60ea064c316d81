"""Index of the screens of this wing; each stands in its room."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# after the permissions the buttons name
import billing.collection.admin  # noqa: E402
import billing.customers.admin  # noqa: E402
import billing.disputes.admin  # noqa: E402
import billing.invoices.admin  # noqa: E402
import billing.invoices.admin_reference  # noqa: E402
import billing.payments.admin  # noqa: E402
import billing.plans.admin  # noqa: E402
import billing.reconciliation.admin  # noqa: E402
import billing.reconciliation.admin_matches  # noqa: E402
import billing.reconciliation.admin_runs  # noqa: E402
import billing.refunds.admin  # noqa: E402
import billing.subscriptions.admin  # noqa: E402
import billing.subscriptions.admin_renewals  # noqa: E402
import billing.webhooks.admin  # noqa: E402, F401
