"""Index of the screens of this wing; each stands in its room."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# after the permissions the buttons name
from billing.reconciliation import admin as reconciliation  # noqa: E402, F401
from billing.reconciliation import admin_matches as reconciliation_matches  # noqa: E402, F401
