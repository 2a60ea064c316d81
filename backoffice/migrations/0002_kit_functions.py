"""TypeIDs made in the database, for set-based inserts; PostgreSQL 15 to 17 have no uuidv7()."""

from django.db import migrations

# One character is five bits: 50 bits of time (two zero bits in front, TypeID specification 0.3) are the first ten characters; then version,
# variant and random bits, taken from the random bytes of one UUIDv4 (its bytes 6 and 8 carry fixed bits and give only their low ones).
# Written out as one expression: a query per id, however short, costs ten times as much, and runs make 100,000 ids at once.
_TIME = [f"((ms >> {shift}) & 31)::int" for shift in range(45, -1, -5)]
_VERSION = "14 + (get_byte(noise, 6) & 1)"
_VARIANT = "(((get_byte(noise, 6) >> 1) & 1) << 4) | 8 | ((get_byte(noise, 6) >> 2) & 3)"
_RANDOM = [f"get_byte(noise, {byte}) & 31" for byte in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14)]
_DIGITS = [*_TIME, _VERSION, *_RANDOM[:2], _VARIANT, *_RANDOM[2:]]

SQL = f"""
CREATE FUNCTION kit_typeid(prefix text) RETURNS text LANGUAGE plpgsql VOLATILE PARALLEL SAFE AS $$
DECLARE
    digits CONSTANT bytea := '0123456789abcdefghjkmnpqrstvwxyz';
    noise bytea := uuid_send(gen_random_uuid());
    ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
    RETURN prefix || '_' || {" || ".join(f"chr(get_byte(digits, {digit}))" for digit in _DIGITS)};
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0001_initial")]

    operations = [migrations.RunSQL(SQL, "DROP FUNCTION kit_typeid(text)")]
