-- Extensions: in schemas of their own, with members that others use, members that were changed, and tables of the user's rows.
CREATE SCHEMA extensions;
CREATE SCHEMA "Extra Extensions";
CREATE EXTENSION hstore SCHEMA extensions;
CREATE EXTENSION citext SCHEMA "Extra Extensions";
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance;
CREATE EXTENSION pg_trgm SCHEMA extensions;
CREATE EXTENSION btree_gist SCHEMA extensions;
CREATE EXTENSION ltree SCHEMA extensions;
CREATE EXTENSION intarray SCHEMA extensions;
CREATE EXTENSION unaccent SCHEMA extensions;
CREATE EXTENSION pgcrypto SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" SCHEMA extensions;
CREATE EXTENSION postgres_fdw SCHEMA extensions;
CREATE EXTENSION pg_stat_statements SCHEMA extensions;
COMMENT ON EXTENSION hstore IS 'key, value, and a comment of our own';

CREATE TABLE extensions.t (
    id uuid DEFAULT extensions.uuid_generate_v4() PRIMARY KEY,
    h extensions.hstore, c "Extra Extensions".citext UNIQUE, q public.cube, l extensions.ltree, hs extensions.hstore[], cs "Extra Extensions".citext[]
);
INSERT INTO extensions.t VALUES
    ('00000000-0000-0000-0000-000000000001', 'a=>1, "b c"=>NULL, "d\"e"=>"f"', 'Mixed Case', '(1,2),(3,4)', 'Top.Science.Physics', ARRAY['x=>y']::extensions.hstore[], '{A,b}'),
    ('00000000-0000-0000-0000-000000000002', '', 'mixed', '(0)', '', '{}', '{}');
CREATE INDEX t_h ON extensions.t USING gin (h);
CREATE INDEX t_l ON extensions.t USING gist (l);
CREATE INDEX t_trgm ON extensions.t USING gin (c extensions.gin_trgm_ops);
CREATE TABLE extensions.excluded (room int, during tsrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO extensions.excluded VALUES (1, '[2020-01-01,2020-01-02)');
CREATE SERVER zoo_remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'nowhere');
CREATE VIEW extensions.near AS SELECT public.earth_distance(public.ll_to_earth(1, 2), public.ll_to_earth(3, 4)) AS metres;
CREATE DOMAIN extensions.email AS "Extra Extensions".citext CHECK (VALUE ~ '@');
CREATE TABLE extensions.of_domain (e extensions.email PRIMARY KEY);
INSERT INTO extensions.of_domain VALUES ('A@b');
-- Changed members: grants are part of a dump, as far as they differ from the extension's own.
REVOKE EXECUTE ON FUNCTION extensions.digest(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION extensions.digest(text, text) TO zoo_reader;
