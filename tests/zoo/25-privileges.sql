-- Grants on every class of object, to columns, with grant options and by others than the owner.
CREATE SCHEMA privileges AUTHORIZATION zoo_owner;
SET search_path = privileges;

GRANT USAGE ON SCHEMA privileges TO zoo_reader;
GRANT ALL ON SCHEMA privileges TO "Zoo ""Keeper""";
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
INSERT INTO t VALUES (1, 'a', 'b');
ALTER TABLE t OWNER TO zoo_owner;
GRANT SELECT, TRIGGER ON t TO zoo_reader WITH GRANT OPTION;
GRANT SELECT (a), UPDATE (a, b) ON t TO "Zoo ""Keeper""";
GRANT INSERT ON t TO PUBLIC;
SET ROLE zoo_reader;
GRANT SELECT ON t TO "Zoo ""Keeper""";
RESET ROLE;
-- The owner itself may not write.
CREATE TABLE owner_revoked (id int PRIMARY KEY);
INSERT INTO owner_revoked VALUES (1);
ALTER TABLE owner_revoked OWNER TO zoo_owner;
REVOKE ALL ON owner_revoked FROM zoo_owner;
-- Nobody may anything.
CREATE TABLE all_revoked (id int PRIMARY KEY);
INSERT INTO all_revoked VALUES (1);
REVOKE ALL ON all_revoked FROM PUBLIC, postgres;
CREATE SEQUENCE s;
ALTER SEQUENCE s OWNER TO zoo_owner;
ALTER SEQUENCE s OWNED BY t.id;
GRANT USAGE ON SEQUENCE s TO zoo_reader;
CREATE VIEW v AS SELECT * FROM t;
ALTER VIEW v OWNER TO zoo_owner;
GRANT SELECT ON v TO zoo_reader;
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
GRANT SELECT ON m TO zoo_reader;
CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION f(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION f(int) TO zoo_reader;
CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON PROCEDURE p() FROM PUBLIC;
CREATE AGGREGATE g(int) (SFUNC = int4pl, STYPE = int);
REVOKE ALL ON FUNCTION g(int) FROM PUBLIC;
CREATE TYPE e AS ENUM ('x');
REVOKE USAGE ON TYPE e FROM PUBLIC;
GRANT USAGE ON TYPE e TO zoo_reader;
CREATE DOMAIN d AS int;
REVOKE USAGE ON DOMAIN d FROM PUBLIC;
ALTER TYPE e OWNER TO zoo_owner;
ALTER DOMAIN d OWNER TO zoo_owner;
ALTER FUNCTION f(int) OWNER TO zoo_owner;
GRANT USAGE ON LANGUAGE plpgsql TO zoo_reader;

ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA privileges GRANT UPDATE ON TABLES TO "Zoo ""Keeper""";
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO zoo_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA privileges GRANT SELECT ON SEQUENCES TO zoo_reader WITH GRANT OPTION;

-- What belongs to the system has grants of its own.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO zoo_reader;
GRANT SELECT ON TABLE pg_catalog.pg_authid TO zoo_reader;
GRANT SELECT (rolname) ON TABLE pg_catalog.pg_authid TO "Zoo ""Keeper""";
GRANT CREATE ON SCHEMA public TO zoo_reader;
