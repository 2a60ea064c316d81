"""Index of the screens of this wing; each stands in its room."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# after the permissions the buttons name
from billing.disputes import admin as disputes  # noqa: E402, F401
from billing.webhooks import admin as webhooks  # noqa: E402, F401
from billing.customers import admin as customers  # noqa: E402, F401
from billing.invoices import admin as invoices  # noqa: E402, F401
from billing.invoices import admin_reference as invoice_reference  # noqa: E402, F401
import billing.collection.admin
import billing.plans.admin
import billing.subscriptions.admin
import billing.subscriptions.admin_renewals  # noqa: F401 - importing it registers its screens
from billing.reconciliation import admin as reconciliation  # noqa: E402, F401
from billing.reconciliation import admin_matches as reconciliation_matches  # noqa: E402, F401
