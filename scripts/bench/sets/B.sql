-- Very many small tables in one database: 2000 of 100 rows, each with a primary key over a serial, and a text.
--
-- psql's variable "scale" multiplies the number of tables. Each is a transaction: one for all would need too many locks.
SELECT greatest(2, 2000 * :scale)::bigint AS tables \gset

CREATE DATABASE many;
\connect many

SELECT format('CREATE TABLE t%s (id serial PRIMARY KEY, body text)', n) FROM generate_series(1, :tables) n \gexec
SELECT format('INSERT INTO t%1$s (body) SELECT md5((i * %1$s)::text) FROM generate_series(1, 100) i', n)
FROM generate_series(1, :tables) n \gexec
