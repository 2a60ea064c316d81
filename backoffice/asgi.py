"""The door uvicorn opens."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings")
site = get_asgi_application()

# behind it: the apps are loaded now
from billing.webhooks import threshold  # noqa: E402

application = threshold.before(site)
