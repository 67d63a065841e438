-- How values are stored: TOAST, compression, options of tables.
CREATE SCHEMA storage;
SET search_path = storage;

CREATE TABLE big (id int PRIMARY KEY, plain text, external text, extended text, main text, bytes bytea) WITH (toast_tuple_target = 256);
ALTER TABLE big ALTER plain SET STORAGE PLAIN, ALTER external SET STORAGE EXTERNAL, ALTER main SET STORAGE MAIN;
INSERT INTO big SELECT n, 'p', repeat(md5(n::text), 1000), repeat('e', 100000), repeat(md5(n::text), 50), decode(repeat(md5(n::text), 3000), 'hex')
FROM generate_series(1, 20) n;
INSERT INTO big (id, external) VALUES (100, repeat('0123456789abcdef', 1000000));
\if :v14
CREATE TABLE compressed (id int PRIMARY KEY, v text COMPRESSION pglz);
INSERT INTO compressed VALUES (1, repeat('x', 100000));
\endif
CREATE TABLE options (id int PRIMARY KEY, v text) WITH (fillfactor = 77, autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.015,
    toast.autovacuum_enabled = false, parallel_workers = 3, user_catalog_table = true);
INSERT INTO options VALUES (1, 'x');
CREATE INDEX options_v ON options (v) WITH (fillfactor = 66);
CREATE INDEX options_gin ON options USING gin (to_tsvector('simple', v)) WITH (fastupdate = off);
CREATE INDEX options_brin ON options USING brin (id) WITH (pages_per_range = 7, autosummarize = on);
ALTER TABLE options ALTER id SET (n_distinct = 5, n_distinct_inherited = -0.1);
