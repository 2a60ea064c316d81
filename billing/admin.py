"""Index of the screens of this wing; each stands in its room."""

from importlib import import_module

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

# Buttons name permissions when their module is read, so these come first.
declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

for screens in (
    "collection.admin",
    "customers.admin",
    "disputes.admin",
    "invoices.admin",
    "invoices.admin_reference",
    "payments.admin",
    "plans.admin",
    "reconciliation.admin",
    "reconciliation.admin_matches",
    "reconciliation.admin_runs",
    "refunds.admin",
    "subscriptions.admin",
    "subscriptions.admin_clock",
    "subscriptions.admin_renewals",
    "webhooks.admin",
):
    import_module(f"billing.{screens}")
