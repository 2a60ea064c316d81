"""Index of this wing's screens; each stands in its room, one module a noun."""

from importlib import import_module

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

# Buttons name permissions when their module is read, so these come first.
declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

# In the order of the money: later rooms plug into the pages of earlier ones.
for screens in (
    "ledger.admin",
    "ledger.admin_postings",
    "ledger.admin_periods",
    "sellers.admin",
    "sellers.admin_payees",
    "sellers.admin_terms",
    "compliance.admin",
    "compliance.admin_documents",
    "compliance.admin_persons",
    "earnings.admin",
    "earnings.admin_imports",
    "earnings.admin_rejected",
    "holds.admin",
    "holds.admin_plans",
    "holds.admin_seller",
    "runs.admin",
    "runs.admin_skips",
    "runs.admin_payouts",
    "runs.admin_seller",
    "dispatch.admin",
    "dispatch.admin_files",
    "dispatch.admin_bank",
    "statements.admin",
    "tradeins.admin",
    "tradeins.admin_consumer",
    "reporting.admin",
    "reporting.admin_seller",
):
    import_module(f"payouts.{screens}")
