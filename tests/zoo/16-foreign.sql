-- Foreign data: definitions are carried, rows are elsewhere and stay there.
CREATE SCHEMA foreign_data;
SET search_path = foreign_data;

CREATE FOREIGN DATA WRAPPER zoo_wrapper OPTIONS (debug 'true', "Odd Name" 'it''s');
CREATE SERVER zoo_server TYPE 'kind' VERSION '1.2' FOREIGN DATA WRAPPER zoo_wrapper OPTIONS (host 'nowhere');
CREATE SERVER "Other Server" FOREIGN DATA WRAPPER zoo_wrapper;
CREATE USER MAPPING FOR PUBLIC SERVER zoo_server OPTIONS (anything 'goes');
CREATE USER MAPPING FOR zoo_reader SERVER zoo_server OPTIONS ("user" 'remote', password 'remote secret');
CREATE FOREIGN TABLE f (id int OPTIONS (column_name 'ID') NOT NULL, v text COLLATE "C" DEFAULT 'x', CHECK (id > 0)) SERVER zoo_server OPTIONS (table_name 'F');
CREATE VIEW of_f AS SELECT id FROM f;
-- One leaf of this tree is elsewhere.
CREATE TABLE parted (id int, v text) PARTITION BY LIST (id);
CREATE TABLE parted_here PARTITION OF parted FOR VALUES IN (1);
CREATE FOREIGN TABLE parted_there PARTITION OF parted FOR VALUES IN (2) SERVER "Other Server";
INSERT INTO parted VALUES (1, 'here');
CREATE TABLE parent (id int);
CREATE FOREIGN TABLE foreign_child () INHERITS (parent) SERVER zoo_server;
INSERT INTO parent VALUES (1);
GRANT USAGE ON FOREIGN DATA WRAPPER zoo_wrapper TO zoo_reader;
GRANT USAGE ON FOREIGN SERVER zoo_server TO zoo_reader WITH GRANT OPTION;
GRANT SELECT ON f TO zoo_reader;
