"""The door uvicorn opens."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings")


def _opened() -> Any:
    site = get_asgi_application()
    from billing.webhooks import threshold  # the apps are loaded now

    return threshold.before(site)


application = _opened()
