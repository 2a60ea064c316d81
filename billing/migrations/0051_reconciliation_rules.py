"""Reconciliation in the database: what is kept, the first rules of matching, and who may do what."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

from backoffice.kit.ids import new_id
from billing.reconciliation.rulebook import FIRST_RULES, FIRST_SLA_DAYS

SQL = (Path(__file__).parent.parent / "reconciliation" / "rules_0051.sql").read_text()
DROP = """
DROP TRIGGER staged_line_kept ON billing_stagedline;
DROP TRIGGER staged_line_frozen ON billing_stagedline;
DROP TRIGGER difference_line_kept ON billing_differenceline;
DROP TRIGGER match_group_kept ON billing_matchgroup;
DROP TRIGGER break_kept ON billing_break;
DROP FUNCTION billing_break_by_two CASCADE;
DROP FUNCTION billing_difference_by_two CASCADE;
"""
REASON = (
    "The first rules: names before amounts, amounts only where two lines are alone with each other. Only a payout's arrival tolerates a "
    "difference, up to 25.00 and one percent: what banks on the way keep."
)
AT = datetime(2026, 11, 21, tzinfo=UTC)


def write(apps, schema_editor):
    """Write the first rules with their history, unless there are some."""
    book = apps.get_model("billing", "MatchRulebook")
    if not book.objects.exists():
        made = book.objects.create(
            public_id=new_id("rrb"),
            version=1,
            rules=FIRST_RULES,
            sla_days=FIRST_SLA_DAYS,
            reason=REASON,
            state="in_force",
            made_by="system:migration",
            made_at=AT,
            in_force_at=AT,
        )
        apps.get_model("backoffice", "StateChange").objects.create(
            subject="match_rulebook",
            subject_id=made.pk,
            from_state="",
            to_state="in_force",
            actor="system:migration",
            reason=REASON,
            at=AT,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0050_reconciliation"),
        ("backoffice", "0020_roles_of_compliance"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunSQL(SQL, DROP), migrations.RunPython(write, migrations.RunPython.noop)]
