-- Objects named like the system's, in schemas that a careless search_path would find first.
CREATE TABLE public.pg_class (id int PRIMARY KEY, relname text);
INSERT INTO public.pg_class VALUES (1, 'mine');
CREATE TYPE public.text AS ENUM ('not', 'text');
CREATE DOMAIN public.int4 AS bigint;
CREATE TABLE public.of_shadows (a public.text, b pg_catalog.text, c public.int4 PRIMARY KEY);
INSERT INTO public.of_shadows VALUES ('not', 'text', 5000000000);
CREATE FUNCTION public.lower(pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadow called'; END $$;
CREATE FUNCTION public.count(bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadow called'; END $$;
CREATE FUNCTION public.setval(regclass, bigint, boolean) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadow called'; END $$;
CREATE FUNCTION public.set_config(pg_catalog.text, pg_catalog.text, boolean) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadow called'; END $$;
CREATE FUNCTION public.shadow_equal(oid, oid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadow called'; END $$;
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.shadow_equal);
