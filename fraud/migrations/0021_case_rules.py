"""Cases in the database: what is kept, what only rises, what takes two people; the figures to begin with; and who may do what."""

from pathlib import Path

from django.db import migrations
from django.utils import timezone

SQL = (Path(__file__).parent.parent / "cases" / "rules_0021.sql").read_text()
DROP = """
DROP TRIGGER case_kept ON fraud_case;
DROP TRIGGER case_only_rises ON fraud_case;
DROP TRIGGER case_over ON fraud_case;
DROP TRIGGER alert_kept ON fraud_alert;
DROP TRIGGER alert_frozen ON fraud_alert;
DROP TRIGGER case_join_kept ON fraud_casejoin;
DROP TRIGGER case_note_kept ON fraud_casenote;
DROP TRIGGER case_file_kept ON fraud_casefile;
DROP TRIGGER case_decision_kept ON fraud_casedecision;
DROP TRIGGER case_decision_frozen ON fraud_casedecision;
DROP FUNCTION fraud_case_decision_by_two CASCADE;
DROP TRIGGER suspicion_report_kept ON fraud_suspicionreport;
DROP TRIGGER suspicion_report_frozen ON fraud_suspicionreport;
DROP TRIGGER fraud_policy_kept ON fraud_fraudpolicy;
DROP TRIGGER fraud_policy_frozen ON fraud_fraudpolicy;
DROP FUNCTION fraud_policy_in_force_by_two CASCADE;
DROP TRIGGER exposure_frozen ON fraud_exposuresnapshot;
"""
# Deadlines of a small team on weekdays. One person frees up to 500.00; where a currency is not named, nothing without a second person.
CASES = {
    "hours": {"low": 120, "normal": 48, "high": 24, "critical": 4},
    "lock_minutes": 30,
    "snooze_days": 14,
    "repeat_days": 30,
    "critical_minor": {"EUR": 1_000_000, "USD": 1_000_000, "GBP": 1_000_000, "CHF": 1_000_000},
    "alone_minor": {"EUR": 50_000, "USD": 50_000, "GBP": 50_000, "CHF": 50_000},
    "two_people_by_amount": ["release", "refund"],
    "two_people_always": ["close_seller"],
}
# Shares as Polar publishes them for its own reviews (refunds 10 and 15 %, disputes 0.5 and 0.75 %); a gate of 25 sales and 3 chargebacks as Gumroad's.
EXPOSURE = {
    "window_days": 60,
    "trend_days": 7,
    "exposure_minor": {currency: {"warn": 5_000_000, "critical": 20_000_000} for currency in ("EUR", "USD", "GBP", "CHF")},
    "growth_from_minor": {"EUR": 1_000_000, "USD": 1_000_000, "GBP": 1_000_000, "CHF": 1_000_000},
    "growth_percent": {"warn": 100, "critical": 300},
    "refund_basis_points": {"warn": 1_000, "critical": 1_500},
    "chargeback_basis_points": {"warn": 50, "critical": 75},
    "sales_least": 25,
    "chargebacks_least": 3,
    "keep_days": 400,
}
# Nobody reports yet: the number of the reporting entity is the installation's own.
REPORTS = {
    "rentity_id": 0,
    "rentity_branch": "",
    "currency_local": "EUR",
    "person": {"first_name": "", "last_name": "", "occupation": ""},
    "address": {"address_type": "B", "address": "", "city": "", "country_code": ""},
    "indicators": ["FRAUD"],
}


def write(apps, schema_editor):
    """Put the first figures in force; they come with the installation, by nobody."""
    policies, history = apps.get_model("fraud", "FraudPolicy"), apps.get_model("backoffice", "StateChange")
    from backoffice.kit.ids import new_id

    now, maker, reason = timezone.now(), "system:migration", "The figures an installation begins with."
    for kind, content in (("cases", CASES), ("exposure", EXPOSURE), ("reports", REPORTS)):
        if policies.objects.filter(kind=kind).exists():
            continue
        row = policies.objects.create(
            public_id=new_id("fpo"), kind=kind, number=1, content=content, state="in_force", reason=reason, made_by=maker, made_at=now,
            in_force_at=now,
        )  # fmt: skip
        history.objects.create(
            subject="fraud_policy",
            subject_id=row.pk,
            from_state="",
            to_state="in_force",
            actor=maker,
            reason=reason,
            code="",
            at=now,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("fraud", "0020_cases_and_exposure"),
        ("backoffice", "0013_roles_see_floors"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(SQL, DROP),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
