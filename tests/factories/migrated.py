"""The rows that migrations write, written again where a test that flushed took them."""

import importlib


def write_what_is_missing() -> None:
    """Write roles, tiers, minimums and the screening policy where they are gone; fixtures of a whole file call it before they begin."""
    from django.apps import apps
    from django.contrib.auth.models import Group

    from fraud.screening.models import ScreeningPolicy
    from payouts.sellers.models import MinimumPayout

    if not Group.objects.exists():
        from backoffice.staff.roles import write_roles

        write_roles()
    if not MinimumPayout.objects.exists():
        importlib.import_module("payouts.migrations.0003_tiers_and_minimums").write(apps, None)
    if not ScreeningPolicy.objects.exists():
        importlib.import_module("fraud.migrations.0002_screening_rules").write(apps, None)

    from billing.reconciliation.models import MatchRulebook

    if not MatchRulebook.objects.exists():
        importlib.import_module("billing.migrations.0051_reconciliation_rules").write(apps, None)
