"""An external id is a partner's own name for a seller: once a partner, and once for the house, which is none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0012_roles_for_second_looks"),
        ("payouts", "0012_floors_on_record"),
    ]

    operations = [
        migrations.AlterField(
            model_name="seller",
            name="external_id",
            field=models.CharField(
                db_collation="C", help_text="The partner's name for it; the house's without one.", max_length=120
            ),
        ),
        migrations.AddConstraint(
            model_name="seller",
            constraint=models.UniqueConstraint(
                fields=("external_id", "partner"), name="seller_once_a_partner", nulls_distinct=False
            ),
        ),
    ]
