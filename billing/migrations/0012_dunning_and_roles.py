"""The first dunning policy, and who may do what with subscriptions."""

from datetime import UTC, datetime

from django.db import migrations

from backoffice.kit.ids import new_id

REASON = (
    "The first policy: again 2, 5, 7 and 7 days after each failure, so that a month's salary or sales come in between; then the subscription ends. "
    "The hard declines are those after which a card network forbids trying the same card again."
)
HARD = [
    "authentication_not_handled", "card_not_supported", "currency_not_supported", "do_not_try_again", "expired_card", "fraudulent",
    "incorrect_number", "invalid_account", "lost_card", "merchant_blacklist", "new_account_information_available", "no_card",
    "not_permitted", "pickup_card", "restricted_card", "revocation_of_all_authorizations", "revocation_of_authorization",
    "security_violation", "service_not_allowed", "stolen_card", "stop_payment_order", "testmode_decline", "transaction_not_allowed",
]  # fmt: skip
AT = datetime(2026, 11, 21, tzinfo=UTC)


def write(apps, schema_editor):
    """Write the first policy with its history, unless there is one."""
    policy = apps.get_model("billing", "DunningPolicy")
    if not policy.objects.exists():
        made = policy.objects.create(
            public_id=new_id("dun"),
            code="standard",
            version=1,
            days_between=[2, 5, 7, 7],
            hard_declines=HARD,
            budgets={"dunning": 4, "customer": 10},
            final_action="cancel",
            status="in_force",
            reason=REASON,
            made_by="system:migration",
            created_at=AT,
        )
        apps.get_model("backoffice", "StateChange").objects.create(
            subject="dunning_policy",
            subject_id=made.pk,
            from_state="",
            to_state="in_force",
            actor="system:migration",
            reason=REASON,
            at=AT,
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_billing_rules"), ("contenttypes", "0002_remove_content_type_name")]

    operations = [migrations.RunPython(write, migrations.RunPython.noop)]
