"""The base of the HTTP API: strict input, problem+json, cursors, idempotent verbs, and their description in OpenAPI.

A room's `api.py` declares views from `views`, with `@question`, `@listing` and `@verb` on their methods. This package's own namespace stays free
of `rest_framework.views`, which imports it while it is itself being imported.
"""

from backoffice.kit.api.parsing import StrictJSONParser
from backoffice.kit.api.problems import exception_handler

__all__ = ["StrictJSONParser", "exception_handler"]
