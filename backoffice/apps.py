from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        # the app that shared tasks bind to; the system checks; the truths
        from backoffice import celery, checks, invariants  # noqa: F401 - importing them registers them
        from backoffice.kit import trail
        from backoffice.partners.outgoing import fanning
        from backoffice.schedule import install
        from backoffice.staff import audit, roles

        trail.plug(audit.record)
        fanning.plug_in()
        # Framework housekeeping, like content types: after every migrate the timetable stands in the scheduler's tables, and groups may do what ROLES says.
        post_migrate.connect(install, sender=self, dispatch_uid="timetable")
        post_migrate.connect(roles.after_migrate, sender=self, dispatch_uid="roles")
