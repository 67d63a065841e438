-- Operators, operator classes and families, casts, collations, conversions and access methods.
CREATE SCHEMA operators;
SET search_path = operators;

CREATE TYPE weekday AS ENUM ('mon', 'tue', 'wed');
CREATE FUNCTION later(weekday, weekday) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT $1 > $2 $$;
CREATE FUNCTION sooner(weekday, weekday) RETURNS bool IMMUTABLE LANGUAGE sql AS $$ SELECT $1 < $2 $$;
CREATE OPERATOR >>> (LEFTARG = weekday, RIGHTARG = weekday, FUNCTION = later, COMMUTATOR = <<<, RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR <<< (LEFTARG = weekday, RIGHTARG = weekday, FUNCTION = sooner, COMMUTATOR = >>>);
CREATE FUNCTION negate(weekday) RETURNS weekday IMMUTABLE LANGUAGE sql AS $$ SELECT 'mon'::operators.weekday $$;
CREATE OPERATOR !@ (RIGHTARG = weekday, FUNCTION = negate);

CREATE FUNCTION backwards(int, int) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT CASE WHEN $1 < $2 THEN 1 WHEN $1 > $2 THEN -1 ELSE 0 END $$;
CREATE OPERATOR FAMILY whole_numbers USING btree;
CREATE OPERATOR CLASS backwards_ops FOR TYPE int USING btree FAMILY whole_numbers AS
    OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 backwards(int, int);
CREATE OPERATOR FAMILY loose USING hash;
ALTER OPERATOR FAMILY loose USING hash ADD OPERATOR 1 = (int8, int4);
CREATE TABLE t (id int PRIMARY KEY, v int, d weekday);
INSERT INTO t VALUES (1, 5, 'mon'), (2, 3, 'wed');
CREATE INDEX t_backwards ON t (v backwards_ops);

CREATE FUNCTION to_number(weekday) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT 1 $$;
CREATE CAST (weekday AS int) WITH FUNCTION to_number(weekday) AS ASSIGNMENT;
CREATE CAST (weekday AS varchar) WITH INOUT AS IMPLICIT;

CREATE COLLATION german (LOCALE = 'de-x-icu', PROVIDER = icu);
CREATE COLLATION "Ignore Case" (LOCALE = 'und-u-ks-level2', PROVIDER = icu, DETERMINISTIC = false);
CREATE COLLATION copied FROM "C";
CREATE TABLE collated (g text COLLATE german, i text COLLATE "Ignore Case" PRIMARY KEY, c text COLLATE copied);
INSERT INTO collated VALUES ('Ä', 'One', 'x'), ('Z', 'TWO', 'y');
CREATE INDEX collated_g ON collated (g COLLATE "C", g);

CREATE CONVERSION latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE DEFAULT CONVERSION standard FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
CREATE ACCESS METHOD zoo_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD zoo_tree TYPE INDEX HANDLER bthandler;
CREATE TABLE by_own_method (id int PRIMARY KEY) USING zoo_heap;
INSERT INTO by_own_method VALUES (1), (2);
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION pg_catalog.prsd_lextype(internal), TO SQL WITH FUNCTION pg_catalog.int4recv(internal));
CREATE FUNCTION zoo_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE zoo_language HANDLER operators.zoo_handler;
CREATE FUNCTION in_own_language() RETURNS int LANGUAGE zoo_language AS $$ BEGIN RETURN 7; END $$;
