-- Views that depend on each other against the alphabet, on keys, and with options.
CREATE SCHEMA views;
SET search_path = views;

CREATE TABLE t (id int PRIMARY KEY, name text, parent int REFERENCES t, "Value" numeric);
INSERT INTO t VALUES (1, 'root', NULL, 1), (2, 'a', 1, 2.5), (3, 'b', 1, NULL);
CREATE VIEW z AS SELECT * FROM t;
CREATE VIEW y AS SELECT z.id, z.name AS n FROM z JOIN t ON t.id = z.parent;
CREATE VIEW a AS SELECT y.*, (SELECT count(*) FROM z WHERE z.parent = y.id) AS children FROM y;
-- Valid only as long as id is the primary key: the view has to come after the key.
CREATE VIEW by_key AS SELECT id, name, "Value", count(*) AS n FROM t GROUP BY id;
CREATE VIEW on_by_key AS SELECT n FROM by_key;
CREATE RECURSIVE VIEW tree (id, path) AS
    SELECT id, name FROM t WHERE parent IS NULL UNION ALL SELECT t.id, path || '/' || t.name FROM t JOIN tree ON tree.id = t.parent;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM t WHERE id > 1;
CREATE VIEW checked AS SELECT id, name FROM t WHERE id < 100 WITH LOCAL CHECK OPTION;
CREATE VIEW cascaded WITH (security_barrier = false) AS SELECT * FROM checked WITH CASCADED CHECK OPTION;
\if :v15
CREATE VIEW invoker WITH (security_invoker) AS SELECT * FROM t;
\endif
CREATE VIEW no_columns AS SELECT;
CREATE VIEW with_default AS SELECT id, name FROM t;
ALTER VIEW with_default ALTER name SET DEFAULT 'from the view';
CREATE VIEW columns_renamed (x, "Y y") AS SELECT id, name FROM t;
ALTER TABLE t RENAME COLUMN "Value" TO worth;
CREATE VIEW everything AS
    WITH recent AS MATERIALIZED (SELECT * FROM t ORDER BY id DESC NULLS LAST LIMIT 2 OFFSET 1)
    SELECT DISTINCT ON (r.id) r.id, r.name COLLATE "C" AS name, CASE r.id WHEN 1 THEN 'one' ELSE NULL END AS word,
        sum(r.worth) FILTER (WHERE r.id > 1) OVER w AS running, ARRAY(SELECT id FROM t) AS ids,
        r.name ~~ 'a%' OR r.name IN ('x', 'y') AS matches, '2020-01-01'::date + interval '1 day' AS day, r.id::bigint % 2 AS rest,
        extract(year FROM timestamptz '2020-01-01 00:00:00+00') AS year, coalesce(r.name, 'none') AS named, g.n
    FROM recent r LEFT JOIN LATERAL (SELECT count(*) AS n FROM t WHERE t.parent = r.id) g ON true
    CROSS JOIN (VALUES (1, 'v'), (2, 'w')) AS v (k, l)
    WINDOW w AS (PARTITION BY r.parent ORDER BY r.id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    ORDER BY r.id;
CREATE VIEW whole_rows AS SELECT t AS whole, t.* FROM t;
CREATE VIEW grouping AS SELECT parent, name, grouping(parent), count(DISTINCT id) FROM t GROUP BY CUBE (parent, name) HAVING count(*) > 0;
CREATE VIEW set_operations AS SELECT id FROM t UNION ALL (SELECT id FROM t EXCEPT SELECT 1 INTERSECT SELECT 2);
CREATE VIEW sampled AS SELECT * FROM t TABLESAMPLE bernoulli (100) REPEATABLE (1);
CREATE VIEW functions AS SELECT * FROM generate_series(1, 2) WITH ORDINALITY AS s (v, o), unnest(ARRAY[1, 2], ARRAY['a', 'b']) AS u (x, y);
CREATE VIEW own_xml AS SELECT xmlelement(name "El", xmlattributes(id AS "At"), name) AS x FROM t;
