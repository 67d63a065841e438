-- Publications of the source arrive when nothing replicates any more; a subscription does not.
CREATE SCHEMA publications;
SET search_path = publications;

CREATE TABLE t (id int PRIMARY KEY, v text, w text);
CREATE TABLE u (id int PRIMARY KEY);
INSERT INTO t VALUES (1, 'x', 'y');
INSERT INTO u VALUES (1);
CREATE PUBLICATION zoo_two FOR TABLE t, u WITH (publish = 'insert, update');
\if :v13
CREATE PUBLICATION zoo_root FOR TABLE t WITH (publish_via_partition_root);
\endif
CREATE PUBLICATION zoo_empty;
CREATE PUBLICATION "Zoo Inserts" FOR ALL TABLES WITH (publish = 'insert');
ALTER PUBLICATION zoo_two OWNER TO zoo_superuser;
\if :v15
CREATE PUBLICATION zoo_filtered FOR TABLE t (id, v) WHERE (id > 5 AND v <> 'x') WITH (publish = 'insert');
CREATE PUBLICATION zoo_schema FOR TABLES IN SCHEMA publications WITH (publish = 'insert');
\endif
CREATE SUBSCRIPTION zoo_subscription CONNECTION 'dbname=nowhere password=hidden' PUBLICATION somewhere WITH (connect = false, slot_name = NONE);
