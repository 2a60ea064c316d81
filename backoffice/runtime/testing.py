"""Give pytest its services before Django reads its settings (loaded by `-p` from pyproject.toml)."""

import os
import sys

from backoffice.runtime import ServiceProblem, ensure_services

# Tests make and flush databases, which is the owner's work; those about rights change to the app's role themselves.
os.environ.setdefault("BACKOFFICE_DB_ROLE", "owner")
try:
    ensure_services()
except ServiceProblem as problem:
    sys.exit(str(problem))
