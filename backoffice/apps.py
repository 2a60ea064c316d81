from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        # the app that shared tasks bind to; the system checks; the truths
        from backoffice import celery, checks, invariants  # noqa: F401
