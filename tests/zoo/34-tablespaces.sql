-- Tablespaces: what is in them goes to the target's default one, and nothing may fail because they are missing.
CREATE SCHEMA tablespaces;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE "Zoo Space" OWNER zoo_owner LOCATION '';
CREATE TABLE tablespaces.t (id int PRIMARY KEY USING INDEX TABLESPACE "Zoo Space", v text) TABLESPACE "Zoo Space";
INSERT INTO tablespaces.t VALUES (1, 'x');
CREATE INDEX t_v ON tablespaces.t (v) TABLESPACE "Zoo Space";
CREATE TABLE tablespaces.parted (id int) PARTITION BY RANGE (id) TABLESPACE "Zoo Space";
CREATE TABLE tablespaces.parted_1 PARTITION OF tablespaces.parted FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW tablespaces.m TABLESPACE "Zoo Space" AS SELECT * FROM tablespaces.t;
