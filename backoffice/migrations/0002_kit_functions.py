"""TypeIDs made in the database, for set-based inserts; PostgreSQL 15 to 17 have no uuidv7()."""

from django.db import migrations

SQL = r"""
CREATE FUNCTION kit_typeid(prefix text) RETURNS text LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    -- UUIDv7: 48 bits of milliseconds, version, random; two zero bits in front make 26 base32 digits (TypeID specification 0.3)
    WITH raw AS MATERIALIZED (
        SELECT B'00' || (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)::bit(48) || B'0111'
               || substring(('x' || replace(gen_random_uuid()::text, '-', ''))::bit(128) FROM 1 FOR 12)
               || B'10' || substring(('x' || replace(gen_random_uuid()::text, '-', ''))::bit(128) FROM 67 FOR 62) AS bits)
    SELECT prefix || '_' || string_agg(
        substr('0123456789abcdefghjkmnpqrstvwxyz', (substring(bits FROM n * 5 + 1 FOR 5))::int + 1, 1), '' ORDER BY n)
    FROM raw, generate_series(0, 25) AS n
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_initial")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION kit_typeid(text)")]
