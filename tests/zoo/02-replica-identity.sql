-- Tables that logical replication cannot follow, or only by another identity than a primary key; every setting must stay.
CREATE SCHEMA replica_identity;
SET search_path = replica_identity;

CREATE TABLE without_key (a int, b text);
INSERT INTO without_key VALUES (1, 'x'), (1, 'x'), (NULL, NULL);

CREATE TABLE whole_row (a int, b text);
ALTER TABLE whole_row REPLICA IDENTITY FULL;
INSERT INTO whole_row VALUES (1, 'x'), (NULL, NULL);

CREATE TABLE nothing (a int PRIMARY KEY, b text);
ALTER TABLE nothing REPLICA IDENTITY NOTHING;
INSERT INTO nothing VALUES (1, 'x');

CREATE TABLE by_index (a int NOT NULL, b text NOT NULL, c int);
CREATE UNIQUE INDEX by_index_b ON by_index (b) INCLUDE (c);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b;
INSERT INTO by_index VALUES (1, 'x', 2);

-- Its index could serve, nobody has said so.
CREATE TABLE candidate (a int NOT NULL UNIQUE, b text);
INSERT INTO candidate VALUES (1, 'x');

-- A deferrable key is no replica identity.
CREATE TABLE deferrable_key (a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, b text);
INSERT INTO deferrable_key VALUES (1, 'x');

-- json has no equality operator: a subscriber could not find the row.
CREATE TABLE incomparable (a int, b json, c point, d xml);
ALTER TABLE incomparable REPLICA IDENTITY FULL;
INSERT INTO incomparable VALUES (1, '{"a": 1,  "a": 2}', '(1,2)', '<a/>');

-- A partial unique index and one over a nullable column are none either.
CREATE TABLE partial (a int, b int NOT NULL);
CREATE UNIQUE INDEX partial_b ON partial (b) WHERE a > 0;
CREATE UNIQUE INDEX partial_a ON partial (a);
INSERT INTO partial VALUES (1, 1), (NULL, 1);

-- Replica identity is not inherited: each partition has its own.
CREATE TABLE parts (a int NOT NULL, b text) PARTITION BY LIST (a);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
CREATE TABLE parts_3 PARTITION OF parts (PRIMARY KEY (a)) FOR VALUES IN (3);
ALTER TABLE parts_2 REPLICA IDENTITY FULL;
INSERT INTO parts VALUES (1, 'x'), (2, 'y'), (3, 'z');
