-- Tables made of types and types made of tables.
CREATE SCHEMA row_types;
SET search_path = row_types;

CREATE TYPE address AS (street text, "House No" int);
CREATE TABLE typed OF address (street PRIMARY KEY, "House No" WITH OPTIONS DEFAULT 7);
INSERT INTO typed VALUES ('a', 1);
CREATE TABLE person (id int PRIMARY KEY, home address, others address[]);
INSERT INTO person VALUES (1, ROW('x, "y"', 2), ARRAY[ROW('z', NULL)::address]);
CREATE TABLE history (id int PRIMARY KEY, was person, wases person[], a typed);
INSERT INTO history VALUES (1, ROW(1, ROW('x', 2), NULL), ARRAY[ROW(2, NULL, '{}')::person], ROW('t', 3));
-- A column dropped from the type's table leaves a gap in every value.
ALTER TABLE person ADD gone int, ADD stays text;
ALTER TABLE person DROP gone;
UPDATE history SET was = (SELECT p FROM person p) WHERE id = 1;
CREATE DOMAIN home AS address CHECK ((VALUE).street IS NOT NULL);
CREATE DOMAIN numbers AS int[] CHECK (array_position(VALUE, NULL) IS NULL);
CREATE DOMAIN of_domain AS numbers CHECK (cardinality(VALUE) < 4);
CREATE TABLE domains (id int PRIMARY KEY, h home, n numbers, o of_domain, ns of_domain[]);
INSERT INTO domains VALUES (1, ROW('s', 1), '{1,2}', '{1}', ARRAY[ARRAY[1]::of_domain]);
