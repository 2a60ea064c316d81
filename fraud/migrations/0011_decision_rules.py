"""Decisions in the database: what is kept, what takes two people, and who may do what."""

from pathlib import Path

from django.db import migrations

SQL = (Path(__file__).parent.parent / "decisions" / "rules_0011.sql").read_text()
DROP = """
DROP TRIGGER decision_kept ON fraud_decision;
DROP TRIGGER rule_hit_kept ON fraud_rulehit;
DROP TRIGGER fraud_event_kept ON fraud_fraudevent;
DROP TRIGGER fraud_label_kept ON fraud_fraudlabel;
DROP TRIGGER rule_set_kept ON fraud_ruleset;
DROP TRIGGER lists_version_kept ON fraud_listsversion;
DROP TRIGGER replay_kept ON fraud_replay;
DROP TRIGGER rule_version_not_deleted ON fraud_ruleversion;
DROP TRIGGER rule_version_frozen ON fraud_ruleversion;
DROP FUNCTION fraud_rule_by_two CASCADE;
DROP TRIGGER listed_value_not_deleted ON fraud_listedvalue;
DROP TRIGGER listed_value_frozen ON fraud_listedvalue;
DROP FUNCTION fraud_allowed_by_two CASCADE;
DROP TRIGGER decision_review_kept ON fraud_decisionreview;
DROP TRIGGER decision_review_frozen ON fraud_decisionreview;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("fraud", "0010_decisions"),
        ("backoffice", "0013_roles_see_floors"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunSQL(SQL, DROP)]
