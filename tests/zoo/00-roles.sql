-- Roles: what each may, belongs to and has set. Memberships grant each other's members, and must be granted in order.
CREATE ROLE zoo_owner;
CREATE ROLE zoo_reader LOGIN PASSWORD 'reader';
CREATE ROLE "Zoo ""Keeper""" LOGIN INHERIT CONNECTION LIMIT 3 VALID UNTIL '2035-06-07 08:09:10.123456+00' PASSWORD 'it''s; a \ "password"';
CREATE ROLE zoo_superuser SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN NOINHERIT;
CREATE ROLE zoo_forever LOGIN VALID UNTIL 'infinity' PASSWORD NULL;
CREATE ROLE "zoo-with-dash" NOLOGIN CREATEDB;
CREATE ROLE "Zoo Ünïcode 日本" CREATEROLE;
CREATE ROLE "zoo_63_bytes_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz";
CREATE USER "--zoo" CONNECTION LIMIT 0;
SET password_encryption = 'md5';
CREATE ROLE zoo_md5 LOGIN PASSWORD 'old';
RESET password_encryption;
COMMENT ON ROLE zoo_owner IS E'owns\n''things''';

GRANT zoo_owner TO "zoo-with-dash" WITH ADMIN OPTION;
GRANT "zoo-with-dash" TO "Zoo Ünïcode 日本", zoo_reader;
GRANT "Zoo Ünïcode 日本" TO "--zoo";
GRANT pg_monitor, pg_read_all_settings TO zoo_reader;
GRANT pg_signal_backend TO "Zoo ""Keeper""" WITH ADMIN OPTION;
-- A predefined role as the member.
GRANT zoo_md5 TO pg_monitor;
-- Granted by a member, not by a superuser.
SET ROLE "zoo-with-dash";
GRANT zoo_owner TO zoo_forever;
RESET ROLE;
\if :v16
GRANT zoo_owner TO "Zoo ""Keeper""" WITH INHERIT FALSE, SET TRUE;
GRANT zoo_owner TO zoo_md5 WITH INHERIT TRUE, SET FALSE;
\endif

ALTER ROLE zoo_reader SET search_path = "$user", "Mixed Case", public;
ALTER ROLE zoo_reader SET statement_timeout = '90s';
ALTER ROLE zoo_reader SET "zoo.custom" = E'a ''b'' "c" \\ , d';
ALTER ROLE "Zoo ""Keeper""" SET default_transaction_isolation = 'serializable';
ALTER ROLE zoo_superuser SET session_replication_role = 'origin';
ALTER ROLE zoo_superuser SET local_preload_libraries = '';
ALTER ROLE "--zoo" SET temp_tablespaces = '';
\if :v15
GRANT SET, ALTER SYSTEM ON PARAMETER log_min_messages TO zoo_reader;
GRANT SET ON PARAMETER "zoo.setting" TO zoo_owner WITH GRANT OPTION;
\endif
