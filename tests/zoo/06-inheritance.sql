-- Inheritance: each table's own rows, no more and no less, and what each inherits or has redefined.
CREATE SCHEMA inheritance;
SET search_path = inheritance;

CREATE TABLE person (id int PRIMARY KEY, name text DEFAULT 'nobody', CONSTRAINT named CHECK (name <> ''));
CREATE TABLE thing (id int, weight numeric, CONSTRAINT heavy CHECK (weight > 0) NO INHERIT);
CREATE TABLE employee (salary numeric, PRIMARY KEY (id)) INHERITS (person);
CREATE TABLE robot (model text) INHERITS (person, thing);
CREATE TABLE chief (name text DEFAULT 'chief', bonus numeric) INHERITS (employee);
ALTER TABLE robot ALTER name SET DEFAULT 'R2D2';
ALTER TABLE employee ADD CONSTRAINT fair CHECK (salary > 0) NOT VALID;
INSERT INTO person VALUES (1, 'a'), (2, 'b');
INSERT INTO employee VALUES (1, 'c', 10);
INSERT INTO robot VALUES (7, 'd', 3, 'm');
INSERT INTO chief (id, salary) VALUES (9, 100);
-- A child that was there before, with columns in another order and one dropped.
CREATE TABLE adopted (gone int, name text, id int NOT NULL, extra text, CONSTRAINT named CHECK (name <> ''));
ALTER TABLE adopted DROP COLUMN gone;
ALTER TABLE adopted INHERIT person;
INSERT INTO adopted VALUES ('e', 3, 'x');
CREATE INDEX ON robot (model);
