"""What the desk asks often: payouts paid since a day, sellers by letters of their name; and two plurals."""

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    dependencies = [("payouts", "0007_money_path_guards")]

    operations = [
        TrigramExtension(),
        migrations.AddIndex(
            model_name="seller",
            index=GinIndex(OpClass(Upper("legal_name"), name="gin_trgm_ops"), name="seller_name_letters"),
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(condition=models.Q(("status", "paid")), fields=["paid_at"], name="payout_paid"),
        ),
        migrations.AlterModelOptions(name="entry", options={"verbose_name_plural": "entries"}),
        migrations.AlterModelOptions(
            name="bankfileentry", options={"verbose_name": "bank entry", "verbose_name_plural": "bank entries"}
        ),
    ]
