-- Partition trees of every shape: rows of each leaf must end in that leaf.
CREATE SCHEMA partitions;
CREATE SCHEMA partitions_archive;
SET search_path = partitions;

CREATE TABLE by_range (at date NOT NULL, id int NOT NULL, v text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE by_range_old PARTITION OF by_range FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE by_range_new PARTITION OF by_range FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY LIST (id);
CREATE TABLE by_range_new_1 PARTITION OF by_range_new FOR VALUES IN (1, 2);
CREATE TABLE partitions_archive.by_range_new_rest PARTITION OF by_range_new DEFAULT;
INSERT INTO by_range SELECT date '2019-12-20' + n, n % 5, 'v' || n FROM generate_series(1, 40) n;

CREATE TABLE by_hash (id bigint PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_hash_2 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO by_hash SELECT n, 'v' FROM generate_series(1, 50) n;

-- Hashes of text and of an enum are what they are on each server: rows must not be routed anew into a partition that refuses.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE by_enum_hash (m mood) PARTITION BY HASH (m);
CREATE TABLE by_enum_hash_0 PARTITION OF by_enum_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_enum_hash_1 PARTITION OF by_enum_hash FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO by_enum_hash VALUES ('sad'), ('ok'), ('happy'), ('ok');
CREATE TABLE by_enum_list (m mood) PARTITION BY LIST (m);
CREATE TABLE by_enum_list_happy PARTITION OF by_enum_list FOR VALUES IN ('happy', NULL);
CREATE TABLE by_enum_list_rest PARTITION OF by_enum_list DEFAULT;
INSERT INTO by_enum_list VALUES ('sad'), ('happy'), (NULL);

-- A key that is an expression, and a collation.
CREATE TABLE by_expression (t text) PARTITION BY RANGE (lower(t) COLLATE "C", length(t));
CREATE TABLE by_expression_1 PARTITION OF by_expression FOR VALUES FROM ('a', MINVALUE) TO ('m', 5);
CREATE TABLE by_expression_2 PARTITION OF by_expression FOR VALUES FROM ('m', 5) TO (MAXVALUE, MAXVALUE);
INSERT INTO by_expression VALUES ('Apple'), ('zebra'), ('ant');

-- Attached later: other column order, dropped columns, own defaults and checks.
CREATE TABLE attached_root (a int NOT NULL, b text, c date) PARTITION BY LIST (a);
CREATE TABLE attached (gone int, c date, b text DEFAULT 'own', a int NOT NULL, CHECK (c > '1900-01-01'));
ALTER TABLE attached DROP COLUMN gone;
ALTER TABLE attached_root ATTACH PARTITION attached FOR VALUES IN (1);
INSERT INTO attached_root VALUES (1, 'x', '2020-02-02');
INSERT INTO attached (a) VALUES (1);

-- Keys and indexes on partitions alone; an index of the root that has no counterpart in one leaf is not valid.
CREATE TABLE indexed (a int, b int) PARTITION BY RANGE (a);
CREATE TABLE indexed_1 PARTITION OF indexed FOR VALUES FROM (0) TO (10);
CREATE TABLE indexed_2 PARTITION OF indexed FOR VALUES FROM (10) TO (20);
ALTER TABLE indexed_1 ADD PRIMARY KEY (a);
CREATE UNIQUE INDEX indexed_2_b ON indexed_2 (b);
CREATE INDEX indexed_all ON indexed (b);
CREATE INDEX indexed_not_valid ON ONLY indexed (a, b);
CREATE INDEX indexed_1_attached ON indexed_1 (a, b);
ALTER INDEX indexed_not_valid ATTACH PARTITION indexed_1_attached;
INSERT INTO indexed SELECT n, n FROM generate_series(0, 19) n;

CREATE TABLE no_partitions (a int) PARTITION BY LIST (a);
CREATE TABLE referencing (at date, id int, FOREIGN KEY (at, id) REFERENCES by_range ON DELETE CASCADE);
INSERT INTO referencing SELECT at, id FROM by_range LIMIT 10;
CREATE TABLE referencing_parted (id bigint REFERENCES by_hash) PARTITION BY RANGE (id);
CREATE TABLE referencing_parted_1 PARTITION OF referencing_parted FOR VALUES FROM (0) TO (100);
INSERT INTO referencing_parted VALUES (1), (2);
