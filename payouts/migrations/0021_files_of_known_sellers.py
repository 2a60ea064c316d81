"""Sellers from before there were requirements: who was being paid stays so, on the word of this migration, and everybody else is asked.

Those who were created or in review get their rows from the job compliance.open_files; until then they are not assessed.
"""

from django.db import migrations

SQL = """
WITH vouched AS (
    INSERT INTO payouts_requirement (public_id, seller_id, code, catalogue, evidence, by_person, title, seller_text, why, source, alternatives,
           capabilities, gating, valid_days, grace_days, state, error_code, error_text, value, value_index, provided_by, decided_by, decided_at,
           created_at)
    SELECT kit_typeid('req'), s.id, 'verified_elsewhere', 'marketplace', 'review', true, 'Verified before',
           'Nothing to do: the marketplace verified you before.',
           'Active before requirements were kept; a re-review asks for the papers.', 'Policy of the marketplace', '[]',
           ARRAY['sell', 'accrue', 'pay_out', 'change_payee'], false, 0, 30, 'waived', '', '', '', '', '', 'system:migration', now(), now()
      FROM payouts_seller s WHERE s.status IN ('active', 'paused', 'blocked') ORDER BY s.id RETURNING id, seller_id),
remembered AS (
    INSERT INTO backoffice_statechange (subject, subject_id, from_state, to_state, actor, code, reason, at)
    SELECT 'requirement', id, '', 'waived', 'system:migration', '', 'active before requirements were kept', now() FROM vouched)
INSERT INTO payouts_sellercapabilities (seller_id, sell_code, accrue_code, pay_out_code, change_payee_code, catalogue, derived_at)
SELECT seller_id, '', '', '', '', '', now() FROM vouched;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0020_compliance"), ("backoffice", "0002_kit_functions")]

    # Backwards there is nothing to undo: the tables go with 0020.
    operations = [migrations.RunSQL(SQL, migrations.RunSQL.noop)]
