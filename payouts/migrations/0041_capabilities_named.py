from django.db import migrations


class Migration(migrations.Migration):
    """Say how several capabilities are called; the table stays as it is."""

    dependencies = [
        ("payouts", "0040_pictures_of_papers"),
    ]

    operations = [
        migrations.AlterModelOptions(name="sellercapabilities", options={"verbose_name_plural": "seller capabilities"}),
    ]
