-- Tables without columns still have rows, and rows of dropped columns leave gaps.
CREATE SCHEMA no_columns;
SET search_path = no_columns;

CREATE TABLE empty ();
CREATE TABLE three_rows ();
INSERT INTO three_rows DEFAULT VALUES;
INSERT INTO three_rows DEFAULT VALUES;
INSERT INTO three_rows DEFAULT VALUES;
CREATE TABLE all_dropped (a int, b text);
INSERT INTO all_dropped VALUES (1, 'x'), (2, 'y');
ALTER TABLE all_dropped DROP a, DROP b;
CREATE TABLE gaps (a int, b text, c int PRIMARY KEY, d text, e int);
INSERT INTO gaps VALUES (1, 'b', 1, 'd', 5);
ALTER TABLE gaps DROP a, DROP d;
-- Columns whose value is in no row: it was the default when the column came.
ALTER TABLE gaps ADD f text DEFAULT 'was there', ADD g timestamptz DEFAULT '2020-02-02 02:02:02.123456+00';
INSERT INTO gaps VALUES ('x', 2);
CREATE UNLOGGED TABLE unlogged_empty ();
INSERT INTO unlogged_empty DEFAULT VALUES;
CREATE TABLE child_of_nothing () INHERITS (three_rows);
INSERT INTO child_of_nothing DEFAULT VALUES;
