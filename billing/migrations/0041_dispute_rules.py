"""Disputes in the database: what is kept, the first policy, and who may do what."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations

from backoffice.kit.ids import new_id

SQL = (Path(__file__).parent.parent / "disputes" / "rules_0041.sql").read_text()
DROP = """
DROP TRIGGER inbound_event_frozen ON billing_inboundevent;
DROP TRIGGER inbound_event_kept ON billing_inboundevent;
DROP FUNCTION dispute_policy_by_two CASCADE;
DROP TRIGGER dispute_policy_frozen ON billing_disputepolicy;
DROP TRIGGER dispute_policy_kept ON billing_disputepolicy;
DROP TRIGGER dispute_submission_frozen ON billing_disputesubmission;
DROP TRIGGER dispute_submission_kept ON billing_disputesubmission;
DROP TRIGGER dispute_kept ON billing_dispute;
DROP TRIGGER dispute_movement_frozen ON billing_disputemovement;
"""
REASON = "The first policy: sellers have until three days before the provider's deadline; nothing is accepted without a person."
AT = datetime(2026, 11, 21, tzinfo=UTC)


def write(apps, schema_editor):
    """Write the first policy with its history, unless there is one."""
    policy = apps.get_model("billing", "DisputePolicy")
    if not policy.objects.exists():
        made = policy.objects.create(
            public_id=new_id("dpp"),
            version=1,
            seller_buffer_hours=72,
            auto_accept=False,
            limits={},
            notice_hours=24,
            reason=REASON,
            state="in_force",
            made_by="system:migration",
            made_at=AT,
            in_force_at=AT,
        )
        apps.get_model("backoffice", "StateChange").objects.create(
            subject="dispute_policy",
            subject_id=made.pk,
            from_state="",
            to_state="in_force",
            actor="system:migration",
            reason=REASON,
            at=AT,
        )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0040_disputes_and_inbound_events"),
        ("backoffice", "0020_roles_of_compliance"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunSQL(SQL, DROP), migrations.RunPython(write, migrations.RunPython.noop)]
