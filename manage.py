#!/usr/bin/env python
"""Run a management command, on the embedded services unless others are configured."""

import os
import sys

WITHOUT_SERVICES = {"help", "version"}
WITHOUT_BROKER = {"check", "migrate", "makemigrations", "showmigrations", "sqlmigrate", "spectacular", "collectstatic", "dbshell"}


def main() -> int:
    """Prepare the environment, then hand over to Django; known hindrances are one sentence, exit code 1."""
    if sys.version_info < (3, 11):  # noqa: UP036 - people do start it with an old one
        return refuse("Python 3.11 or newer is needed. Run `make setup`, then .venv/bin/python manage.py.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backoffice.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        import django.core.management as management
        from django.core.exceptions import ImproperlyConfigured

        from backoffice.runtime import ServiceProblem, ensure_services
        from backoffice.runtime.claim import claim_from
    except ImportError as problem:
        return refuse(f"{problem}. Run `make setup`, then .venv/bin/python manage.py.")
    try:
        if command not in WITHOUT_SERVICES and not {"--help", "-h", "--version"} & set(sys.argv):
            if command == "up":
                claim_from(sys.argv[2:])
            ensure_services(need_broker=command not in WITHOUT_BROKER)
        management.execute_from_command_line(sys.argv)
    except (ServiceProblem, ImproperlyConfigured) as problem:
        return refuse(str(problem))
    except KeyboardInterrupt:
        return 130
    return 0


def refuse(sentence: str) -> int:
    """Say why nothing happens."""
    sys.stderr.write(sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
