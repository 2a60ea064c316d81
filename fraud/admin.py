"""Index of the screens of this wing; each stands in its room."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# after the permissions the buttons name
from fraud.cases import admin as cases  # noqa: E402, F401
from fraud.cases import admin_reports as reports  # noqa: E402, F401
from fraud.decisions import admin as decisions  # noqa: E402, F401
from fraud.decisions import admin_backtests as backtests  # noqa: E402, F401
from fraud.decisions import admin_money as money_of_decisions  # noqa: E402, F401
from fraud.exposure import admin as exposure  # noqa: E402, F401
from fraud.lists import admin as fraud_lists  # noqa: E402, F401
from fraud.model import admin as model  # noqa: E402, F401
from fraud.policies import admin as policies  # noqa: E402, F401
from fraud.rules import admin as rules  # noqa: E402, F401
from fraud.screening import admin as screening  # noqa: E402, F401
from fraud.screening import admin_checks as checks  # noqa: E402, F401
from fraud.screening import admin_lists as lists  # noqa: E402, F401
from fraud.screening import admin_parties as parties  # noqa: E402, F401
