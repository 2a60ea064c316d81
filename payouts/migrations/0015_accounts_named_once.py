"""The ledger's writer takes each account of a call once, and the balance trigger looks each up once."""

from pathlib import Path

from django.db import migrations

LEDGER = Path(__file__).parent.parent / "ledger"
_TYPES = (
    "text[], smallint[], text[], text[], text[], bigint[], timestamptz[], bigint[], text, text, text, timestamptz, "
    "int[], text[], bigint[], text[], text[], bigint[]"
)
SQL = f"DROP FUNCTION ledger_post({_TYPES});\n" + (LEDGER / "rules_0015.sql").read_text()


def _function(text: str, name: str) -> str:
    """Return a function as the older rules made it."""
    start = text.index(f"CREATE FUNCTION {name}(")
    return text[start : text.index("\nEND $$;", start) + len("\nEND $$;")]


OLD = (LEDGER / "rules_0002.sql").read_text()
BACK = "\n".join([
    "DROP FUNCTION ledger_post;",
    _function(OLD, "ledger_post"),
    _function(OLD, "ledger_entries_balance").replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1),
])  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("payouts", "0014_who_vouched_for_payees")]

    operations = [migrations.RunSQL(SQL, BACK)]
