-- Indexes of every method and kind, with the marks that live on them.
CREATE SCHEMA indexes;
SET search_path = indexes;

CREATE TABLE t (id int PRIMARY KEY, a int, b text, c int[], d tsrange, e point, f jsonb);
INSERT INTO t SELECT n, n % 10, 'b' || n, ARRAY[n, n + 1], tsrange('2020-01-01', '2020-01-01'::timestamp + n * interval '1 h'), point(n, n), '{"a": 1}' FROM generate_series(1, 300) n;
CREATE INDEX t_order ON t (a DESC NULLS LAST, b COLLATE "C" text_pattern_ops ASC NULLS FIRST);
CREATE INDEX t_expression ON t (lower(b), (a + 1)) WHERE a > 3 AND b IN ('x', 'y');
CREATE INDEX t_include ON t (a) INCLUDE (b, id);
CREATE INDEX t_gin ON t USING gin (c);
CREATE INDEX t_gin_path ON t USING gin (f jsonb_path_ops);
CREATE INDEX t_gist ON t USING gist (d, e) WITH (buffering = on);
CREATE INDEX t_spgist ON t USING spgist (e);
CREATE INDEX t_hash ON t USING hash (b);
CREATE INDEX t_brin ON t USING brin (id, a);
CREATE UNIQUE INDEX "T Unique, named oddly" ON t (b);
\if :v13
CREATE INDEX t_options ON t USING gist (to_tsvector('simple', b) tsvector_ops (siglen = 100));
\endif
ALTER TABLE t CLUSTER ON t_order;
ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey;
CREATE TABLE clustered_by_key (id int PRIMARY KEY);
ALTER TABLE clustered_by_key CLUSTER ON clustered_by_key_pkey;
INSERT INTO clustered_by_key VALUES (1);
COMMENT ON INDEX t_hash IS 'hashed';
-- A key whose index has another name than its constraint would get, and one made from an index.
CREATE TABLE attached (id int NOT NULL, v int);
CREATE UNIQUE INDEX attached_by_hand ON attached (id) INCLUDE (v) WITH (fillfactor = 70);
ALTER TABLE attached ADD CONSTRAINT attached_key PRIMARY KEY USING INDEX attached_by_hand;
INSERT INTO attached VALUES (1, 1);
-- Its building has failed: no dump carries it, and it enforces nothing that the source's rows obey.
CREATE TABLE duplicates (id int PRIMARY KEY, v int);
INSERT INTO duplicates VALUES (1, 1), (2, 1);
\set ON_ERROR_STOP off
CREATE UNIQUE INDEX CONCURRENTLY duplicates_not_valid ON duplicates (v);
\set ON_ERROR_STOP on
