"""Index of this wing's screens; each stands in its room. Earlier rooms first: later ones plug into their pages."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# In the order of the money, and after the permissions the buttons name.
# isort: off
from payouts.ledger import admin as ledger  # noqa: E402, F401
from payouts.sellers import admin as sellers  # noqa: E402, F401
from payouts.earnings import admin as earnings  # noqa: E402, F401
from payouts.holds import admin as holds  # noqa: E402, F401
from payouts.runs import admin as runs  # noqa: E402, F401
from payouts.runs import admin_payouts as payouts  # noqa: E402, F401
from payouts.dispatch import admin as dispatch  # noqa: E402, F401
from payouts.dispatch import admin_bank as bank  # noqa: E402, F401
from payouts.statements import admin as statements  # noqa: E402, F401
