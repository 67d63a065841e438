-- Materialized views are empty after many migrations; these read each other, and one was never filled.
CREATE SCHEMA materialized_views;
SET search_path = materialized_views;

CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT n, n % 7 FROM generate_series(1, 100) n;
CREATE MATERIALIZED VIEW z AS SELECT v, count(*) AS n FROM t GROUP BY v;
CREATE UNIQUE INDEX z_v ON z (v);
CREATE VIEW m AS SELECT n FROM z;
CREATE MATERIALIZED VIEW a AS SELECT max(n) AS most FROM m;
CREATE MATERIALIZED VIEW never_filled AS SELECT * FROM z WITH NO DATA;
CREATE INDEX never_filled_n ON never_filled (n DESC);
-- What it reads shows in no catalog: the body of a function is text.
CREATE FUNCTION read_z() RETURNS bigint STABLE LANGUAGE sql SET search_path = materialized_views AS 'SELECT sum(n)::bigint FROM z';
CREATE MATERIALIZED VIEW "By Function" AS SELECT read_z() AS total;
-- So it is of whatever reads such a view, or calls it through another function, a view or an operator.
CREATE MATERIALIZED VIEW above AS SELECT total + 1 AS more FROM "By Function";
CREATE FUNCTION read_above(int, int) RETURNS bigint STABLE LANGUAGE plpgsql SET search_path = materialized_views
    AS 'BEGIN RETURN (SELECT more + $1 + $2 FROM above); END';
CREATE OPERATOR +# (FUNCTION = read_above, LEFTARG = int, RIGHTARG = int);
CREATE VIEW through_operator AS SELECT 1 OPERATOR(materialized_views.+#) 2 AS sum;
CREATE MATERIALIZED VIEW "A first" AS SELECT sum FROM through_operator;
CREATE MATERIALIZED VIEW a_query AS SELECT query_to_xml('SELECT * FROM materialized_views.z ORDER BY 1', true, false, '')::text AS document;
CREATE MATERIALIZED VIEW by_key WITH (fillfactor = 70, autovacuum_enabled = false) AS SELECT id, v, count(*) FROM t GROUP BY id;
-- Filled once, from one that is not any more.
CREATE MATERIALIZED VIEW lower AS SELECT n + 1 AS n FROM z;
CREATE MATERIALIZED VIEW middle AS SELECT n + 1 AS n FROM lower;
CREATE VIEW on_middle AS SELECT max(n) AS n FROM middle;
CREATE MATERIALIZED VIEW "Upper" AS SELECT n FROM on_middle;
REFRESH MATERIALIZED VIEW middle WITH NO DATA;
REFRESH MATERIALIZED VIEW lower WITH NO DATA;
CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WHERE false;
ALTER MATERIALIZED VIEW z CLUSTER ON z_v;
ALTER MATERIALIZED VIEW z ALTER v SET STATISTICS 500;
CREATE MATERIALIZED VIEW no_columns AS SELECT FROM t;
