"""Index of this wing's screens; each stands in its room, one module a noun."""

from importlib import import_module

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

# Buttons name permissions when their module is read, so these come first.
declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

for screens in (
    "cases.admin",
    "cases.admin_reports",
    "decisions.admin",
    "decisions.admin_backtests",
    "decisions.admin_money",
    "exposure.admin",
    "lists.admin",
    "model.admin",
    "policies.admin",
    "rules.admin",
    "screening.admin",
    "screening.admin_checks",
    "screening.admin_lists",
    "screening.admin_parties",
):
    import_module(f"fraud.{screens}")
