-- Large objects: no replication carries them, and they have owners, grants and comments of their own.
CREATE SCHEMA large_objects;
SELECT lo_from_bytea(900001, 'small');
SELECT lo_create(900002);
SELECT lo_from_bytea(900003, decode(repeat('00ff10', 700000), 'hex'));
-- With a hole: pages that do not exist read as zeros.
SELECT lo_from_bytea(900004, 'start'), lo_put(900004, 5000000, 'end');
SELECT lo_create(4294967295);
ALTER LARGE OBJECT 900001 OWNER TO zoo_owner;
GRANT SELECT, UPDATE ON LARGE OBJECT 900001 TO zoo_reader;
GRANT SELECT ON LARGE OBJECT 900003 TO PUBLIC;
COMMENT ON LARGE OBJECT 900003 IS 'it''s large';
CREATE TABLE large_objects.holder (id int PRIMARY KEY, lo oid);
INSERT INTO large_objects.holder VALUES (1, 900001), (2, 900003);
