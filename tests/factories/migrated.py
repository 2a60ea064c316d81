"""The rows that migrations write, written again where a test that flushed took them."""

import importlib


def write_what_is_missing() -> None:
    """Write roles, tiers, minimums and the screening policy where they are gone; fixtures of a whole file call it before they begin."""
    from django.apps import apps
    from django.contrib.auth.models import Group

    from billing.collection.models import DunningPolicy
    from billing.disputes.models import DisputePolicy
    from billing.invoices.models import LegalEntity
    from billing.refunds.models import RefundLimit
    from fraud.screening.models import ScreeningPolicy
    from payouts.sellers.models import MinimumPayout

    if not DisputePolicy.objects.exists():
        importlib.import_module("billing.migrations.0041_dispute_rules").write(apps, None)
    if not Group.objects.exists():
        from backoffice.staff.roles import write_roles

        write_roles()
    if not MinimumPayout.objects.exists():
        importlib.import_module("payouts.migrations.0003_tiers_and_minimums").write(apps, None)
    if not ScreeningPolicy.objects.exists():
        importlib.import_module("fraud.migrations.0002_screening_rules").write(apps, None)
    if not RefundLimit.objects.exists():
        importlib.import_module("billing.migrations.0031_payment_rules").write(apps, None)
    if not LegalEntity.objects.exists():
        importlib.import_module("billing.migrations.0021_invoice_rules").write(apps, None)
    if not DunningPolicy.objects.exists():
        importlib.import_module("billing.migrations.0012_dunning_and_roles").write(apps, None)

    from billing.reconciliation.models import MatchRulebook

    if not MatchRulebook.objects.exists():
        importlib.import_module("billing.migrations.0051_reconciliation_rules").write(apps, None)

    from fraud.policies.models import FraudPolicy

    if not FraudPolicy.objects.exists():
        importlib.import_module("fraud.migrations.0021_case_rules").write(apps, None)
