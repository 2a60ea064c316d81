from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        from backoffice import celery, checks  # noqa: F401 - the app that shared tasks bind to; the system checks
