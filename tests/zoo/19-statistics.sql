-- Statistics objects and targets.
CREATE SCHEMA statistics;
SET search_path = statistics;

CREATE TABLE t (a int, b int, c text, d int, PRIMARY KEY (a));
INSERT INTO t SELECT n, n % 10, 'c' || n % 5, n % 10 * 2 FROM generate_series(1, 500) n;
CREATE STATISTICS s_all ON b, c, d FROM t;
CREATE STATISTICS "S deps" (dependencies, ndistinct) ON b, d FROM t;
\if :v13
ALTER STATISTICS s_all SET STATISTICS 250;
\endif
\if :v14
CREATE STATISTICS s_expression ON (b + d), lower(c) FROM t;
\endif
ALTER TABLE t ALTER b SET STATISTICS 1000, ALTER c SET STATISTICS 0, ALTER d SET (n_distinct = -0.5);
CREATE INDEX t_e ON t ((b + 1), (lower(c)));
ALTER INDEX t_e ALTER COLUMN 1 SET STATISTICS 77;
ANALYZE t;
