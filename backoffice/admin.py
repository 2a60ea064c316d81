"""Index of the project's own screens; each stands in its room."""

from backoffice.kit.admin import declare_permissions
from backoffice.staff.roles import ACTS

declare_permissions(f"{app_label}.{codename}" for codename, (app_label, _, _) in ACTS.items())

from backoffice.desk import admin as desk  # noqa: E402, F401 - after the permissions the buttons name
from backoffice.partners import admin as partners  # noqa: E402, F401
from backoffice.staff import admin as staff  # noqa: E402, F401
