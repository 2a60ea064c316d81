"""The tiers a marketplace starts with, the smallest payouts, and the fixed parts of a payee account's version.

The figures are data: an operator changes them in the admin. Delay counts from delivery (or sale); debt limits are whole currency units.
"""

from django.db import migrations

TIERS = [("new", "New", 21, 72, 500), ("standard", "Standard", 14, 72, 5_000), ("trusted", "Trusted", 7, 72, 50_000)]
# One whole unit each (JPY 100): so small that nearly every seller is paid, and no transfer costs more than it carries.
MINIMUMS = dict.fromkeys(["EUR", "USD", "GBP", "JPY", "CHF", "SEK", "DKK", "PLN"], 100) | {"TND": 1_000}

SQL = """
CREATE FUNCTION payee_account_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payee account is kept as history and cannot be deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.seller_id, OLD.public_id, OLD.currency, OLD.version, OLD.kind, OLD.number_index, OLD.routing_number, OLD.last4, OLD.country,
        OLD.created_by, OLD.created_at)
       IS DISTINCT FROM
       (NEW.seller_id, NEW.public_id, NEW.currency, NEW.version, NEW.kind, NEW.number_index, NEW.routing_number, NEW.last4, NEW.country,
        NEW.created_by, NEW.created_at) THEN
        RAISE EXCEPTION 'a version of a payee account cannot be changed' USING ERRCODE = 'check_violation',
              HINT = 'A change is a new version.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payee_account_fixed BEFORE UPDATE OR DELETE ON payouts_payeeaccount
    FOR EACH ROW EXECUTE FUNCTION payee_account_fixed();
"""
DROP = "DROP FUNCTION payee_account_fixed CASCADE;"


def write(apps, schema_editor):
    for code, name, delay, cool_off, debt in TIERS:
        apps.get_model("payouts", "Tier").objects.get_or_create(
            code=code,
            defaults={"name": name, "delay_days": delay, "cool_off_hours": cool_off, "debt_limit": debt},
        )
    for currency, amount in MINIMUMS.items():
        apps.get_model("payouts", "MinimumPayout").objects.get_or_create(
            currency=currency, country="", defaults={"amount_minor": amount}
        )


class Migration(migrations.Migration):
    dependencies = [("payouts", "0002_ledger_rules")]

    operations = [
        migrations.RunPython(write, migrations.RunPython.noop),
        migrations.RunSQL(SQL, DROP),
    ]
