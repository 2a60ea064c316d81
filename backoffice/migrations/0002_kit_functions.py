"""TypeIDs made in the database, for set-based inserts; PostgreSQL 15 to 17 have no uuidv7()."""

from django.db import migrations

# One character is five bits: 50 bits of time (two zero bits in front, TypeID specification 0.3) are the first ten characters; then version,
# variant and random bits, taken from the random bytes of one UUIDv4 (its bytes 6 and 8 carry fixed bits and give only their low ones).
# Written out as one expression: a query per id, however short, costs ten times as much, and runs make 100,000 ids at once.
_TIME = [f"substr(digits, ((ms >> {shift}) & 31)::int + 1, 1)" for shift in range(45, -1, -5)]
_VERSION = "substr(digits, 15 + (get_byte(noise, 6) & 1), 1)"
_VARIANT = "substr(digits, ((((get_byte(noise, 6) >> 1) & 1) << 4) | 8 | ((get_byte(noise, 6) >> 2) & 3)) + 1, 1)"
_RANDOM = [f"substr(digits, (get_byte(noise, {byte}) & 31) + 1, 1)" for byte in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14)]
_DIGITS = [*_TIME, _VERSION, *_RANDOM[:2], _VARIANT, *_RANDOM[2:]]

SQL = f"""
CREATE FUNCTION kit_typeid(prefix text) RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL SAFE AS $$
DECLARE
    digits CONSTANT text := '0123456789abcdefghjkmnpqrstvwxyz';
    noise bytea := uuid_send(gen_random_uuid());
    ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
    RETURN prefix || '_' || {" || ".join(_DIGITS)};
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_initial")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION kit_typeid(text)")]
