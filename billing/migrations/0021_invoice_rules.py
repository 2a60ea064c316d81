"""Invoices in the database: what is issued stays; and what the first invoice needs: one legal entity, and the rates of the member states."""

from datetime import UTC, date, datetime
from pathlib import Path

from django.conf import settings
from django.db import migrations

from backoffice.kit.ids import new_id

SQL = (Path(__file__).parent.parent / "invoices" / "rules_0021.sql").read_text()
DROP = """
DROP FUNCTION billing_invoice_kept() CASCADE;
DROP FUNCTION billing_invoice_born() CASCADE;
DROP FUNCTION billing_part_kept() CASCADE;
DROP FUNCTION billing_appended_only() CASCADE;
DROP FUNCTION billing_series_kept() CASCADE;
DROP FUNCTION billing_write_off_by_two() CASCADE;
"""
AT = datetime(2026, 11, 21, tzinfo=UTC)
# Standard rates in basis points, as in force on 1 January 2026. Source: European Commission, Taxes in Europe database; GB, CH, JP: national law.
RATES = {
    "AT": 2000, "BE": 2100, "BG": 2000, "CY": 1900, "CZ": 2100, "DE": 1900, "DK": 2500, "EE": 2400, "ES": 2100, "FI": 2550,
    "FR": 2000, "GR": 2400, "HR": 2500, "HU": 2700, "IE": 2300, "IT": 2200, "LT": 2100, "LU": 1700, "LV": 2100, "MT": 1800,
    "NL": 2100, "PL": 2300, "PT": 2300, "RO": 2100, "SE": 2500, "SI": 2200, "SK": 2300, "GB": 2000, "CH": 810, "JP": 1000,
}  # fmt: skip
VALID_FROM = date(2025, 8, 1)  # the day the last of these changed (Romania)


def write(apps, schema_editor):
    """Write the first legal entity and the rates, where there are none."""
    entities, rates = apps.get_model("billing", "LegalEntity"), apps.get_model("billing", "TaxRate")
    if not entities.objects.exists():
        country, number = settings.PLATFORM_COUNTRY, settings.PLATFORM_VAT_NUMBER
        entities.objects.create(
            public_id=new_id("ent"), code="MKT", name=settings.PLATFORM_NAME, line1="1 rue de la Bourse", postcode="75002",
            town=settings.PLATFORM_TOWN, country=country, vat_numbers={country: number} if number else {}, oss=True,
            is_default=True, payment_terms="Payable by the due date.", created_at=AT,
        )  # fmt: skip
    if not rates.objects.exists():
        rates.objects.bulk_create(
            rates(
                country=country,
                tax_code="standard",
                basis_points=points,
                valid_from=VALID_FROM,
                source="European Commission, Taxes in Europe database" if country not in ("GB", "CH", "JP") else "national law",
                made_by="system:migration",
                made_at=AT,
            )
            for country, points in RATES.items()
        )


class Migration(migrations.Migration):
    dependencies = [("billing", "0020_invoices")]

    operations = [migrations.RunSQL(SQL, DROP), migrations.RunPython(write, migrations.RunPython.noop)]
