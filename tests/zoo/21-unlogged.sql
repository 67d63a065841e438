-- Unlogged tables: their rows are in no WAL, so that nothing can be replicated.
CREATE SCHEMA unlogged;
SET search_path = unlogged;

CREATE UNLOGGED TABLE t (id serial PRIMARY KEY, v text);
INSERT INTO t (v) SELECT 'v' || n FROM generate_series(1, 100) n;
CREATE UNLOGGED TABLE without_key (v text);
INSERT INTO without_key VALUES ('a'), ('a');
CREATE UNLOGGED TABLE child () INHERITS (t);
INSERT INTO child VALUES (1000, 'c');
CREATE TABLE references_nothing (id int PRIMARY KEY);
