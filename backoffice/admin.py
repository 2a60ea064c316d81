"""Index of the project's own screens; each stands in its room."""

from importlib import import_module

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

# Buttons name permissions when their module is read, so these come first.
declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

for room in ("desk", "partners", "partners.outgoing", "staff"):
    import_module(f"backoffice.{room}.admin")
