-- Unlogged tables: their rows are in no WAL, so that nothing can be replicated.
CREATE SCHEMA unlogged;
SET search_path = unlogged;

CREATE UNLOGGED TABLE t (id serial PRIMARY KEY, v text);
INSERT INTO t (v) SELECT 'v' || n FROM generate_series(1, 100) n;
CREATE UNLOGGED TABLE without_key (v text);
INSERT INTO without_key VALUES ('a'), ('a');
CREATE UNLOGGED TABLE child () INHERITS (t);
INSERT INTO child VALUES (1000, 'c');
-- Where foreign keys cannot be switched off, validation refuses this one to replication.
SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user \gset
\if :superuser
CREATE UNLOGGED TABLE referencing (id int REFERENCES t);
INSERT INTO referencing VALUES (1), (2);
\endif
-- Unlogged below a table that is not, and below one that is: from 18 on that cannot be said of a partitioned one.
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parted_logged PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE UNLOGGED TABLE parted_unlogged PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1), (11);
\if :v18
\else
CREATE UNLOGGED TABLE unlogged_root (id int) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE unlogged_leaf PARTITION OF unlogged_root FOR VALUES IN (1);
INSERT INTO unlogged_root VALUES (1);
\endif
CREATE TABLE references_nothing (id int PRIMARY KEY);
