"""What migrations wrote, kept beside the tables, so that a test that commits is undone by putting it back.

Django truncates every table after such a test, which takes seconds with some two hundred of them and leaves the next test without roles and tiers.
Here only what a test touched is emptied, and what the migrations wrote stands again; the database serves the next session too.
"""

from django.db import connection

_KEEP = """
DO $$ DECLARE one name; filled boolean; BEGIN
    DROP SCHEMA IF EXISTS kept CASCADE;
    CREATE SCHEMA kept;
    FOR one IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', one) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE kept.%1$I AS TABLE public.%1$I', one); END IF;
    END LOOP;
END $$"""

# Foreign keys are deferred to the end; the triggers that keep history from being deleted rest meanwhile, as they do when a table is truncated.
_PUT_BACK = """
DO $$ DECLARE one name; is_kept boolean; differs boolean; columns text; touched name[] := '{}'; BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    FOR one, is_kept IN
        SELECT c.relname, k.oid IS NOT NULL FROM pg_class c
          LEFT JOIN pg_class k ON k.relname = c.relname AND k.relkind = 'r' AND k.relnamespace = 'kept'::regnamespace
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
    LOOP
        IF is_kept THEN
            EXECUTE format('SELECT EXISTS (SELECT t::text FROM public.%1$I t EXCEPT SELECT t::text FROM kept.%1$I t)
                                OR EXISTS (SELECT t::text FROM kept.%1$I t EXCEPT SELECT t::text FROM public.%1$I t)', one) INTO differs;
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', one) INTO differs;
        END IF;
        CONTINUE WHEN NOT differs;
        touched := touched || one;
        EXECUTE format('ALTER TABLE public.%I DISABLE TRIGGER USER', one);
        EXECUTE format('DELETE FROM public.%I', one);
        IF is_kept THEN
            SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
             WHERE attrelid = format('public.%I', one)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
            EXECUTE format('INSERT INTO public.%1$I (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM kept.%1$I', one, columns);
        END IF;
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOREACH one IN ARRAY touched LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE TRIGGER USER', one);
    END LOOP;
END $$"""


def keep() -> None:
    """Remember every row there is; called once, when the migrations have run."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP)


def put_back() -> None:
    """Leave exactly the rows that were remembered."""
    with connection.cursor() as cursor:
        cursor.execute(_PUT_BACK)
