-- Constraints: cycles, those that do not hold, and those that are checked late.
CREATE SCHEMA constraints;
SET search_path = constraints;

CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO chicken VALUES (1, 1);
INSERT INTO egg VALUES (1, 1);
COMMIT;
ALTER TABLE chicken ADD CONSTRAINT "which was first" FOREIGN KEY (egg) REFERENCES egg ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE;
CREATE TABLE self (id int PRIMARY KEY, parent int REFERENCES self MATCH FULL);
INSERT INTO self VALUES (1, 1), (2, 1);

-- Rows that break a constraint which was never validated: they are the source's, and have to arrive.
CREATE TABLE not_valid (id int PRIMARY KEY, v int, c int);
INSERT INTO not_valid VALUES (1, -5, 99);
ALTER TABLE not_valid ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
ALTER TABLE not_valid ADD CONSTRAINT known FOREIGN KEY (c) REFERENCES chicken NOT VALID;
-- Without a key, so that its rows are brought once more at the finish.
CREATE TABLE not_valid_without_key (v int);
INSERT INTO not_valid_without_key VALUES (-5);
ALTER TABLE not_valid_without_key ADD CONSTRAINT "Positive" CHECK (v > 0) NOT VALID;
COMMENT ON CONSTRAINT "Positive" ON not_valid_without_key IS 'only for new rows';
CREATE DOMAIN even AS int;
CREATE TABLE of_domain (id int PRIMARY KEY, e even);
INSERT INTO of_domain VALUES (1, 3);
ALTER DOMAIN even ADD CONSTRAINT is_even CHECK (VALUE % 2 = 0) NOT VALID;

CREATE TABLE words (v varchar(10) CHECK (v IN ('a', 'b')), w char(3) CHECK (w = ANY (ARRAY['x', 'y'])), n numeric CHECK (n BETWEEN 1 AND 5),
    d date CHECK (d > '2000-01-01'), t text CHECK (t ~ '^[a-z]+$' AND t NOT LIKE 'z%') NO INHERIT, CHECK (v IS NOT NULL OR w <> ''));
INSERT INTO words VALUES ('a', 'x', 3, '2020-01-01', 'abc');
CREATE TABLE excluded (id int PRIMARY KEY, during tsrange, room int,
    CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (room > 0) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO excluded VALUES (1, '[2020-01-01,2020-01-02)', 1), (2, '[2020-01-02,2020-01-03)', 1);
CREATE TABLE keys (a int, b int, c int, d text, UNIQUE (a, b) INCLUDE (c), CONSTRAINT later UNIQUE (d) DEFERRABLE INITIALLY IMMEDIATE, PRIMARY KEY (c, a) INCLUDE (d));
INSERT INTO keys VALUES (1, 2, 3, 'x'), (2, NULL, 4, 'y');
CREATE UNIQUE INDEX keys_b ON keys (b);
CREATE TABLE references_index (b int REFERENCES keys (b));
INSERT INTO references_index VALUES (2), (NULL);
CREATE TABLE whole_row (id int PRIMARY KEY, v int, CHECK (whole_row IS NOT NULL), CHECK (whole_row.v > 0));
INSERT INTO whole_row VALUES (1, 1);
CREATE TABLE named_not_null (a int CONSTRAINT must_be NOT NULL);
\if :v15
CREATE TABLE null_once (a int UNIQUE NULLS NOT DISTINCT, b int);
INSERT INTO null_once VALUES (NULL, 1);
CREATE TABLE set_some (a int, b int, FOREIGN KEY (a, b) REFERENCES keys (a, b) ON DELETE SET NULL (b));
INSERT INTO set_some VALUES (1, 2);
\endif
\if :v18
CREATE TABLE not_enforced (id int PRIMARY KEY, v int CHECK (v > 0) NOT ENFORCED, c int REFERENCES chicken NOT ENFORCED);
INSERT INTO not_enforced VALUES (1, -1, 99);
CREATE TABLE not_null_late (a int);
INSERT INTO not_null_late VALUES (NULL);
ALTER TABLE not_null_late ADD CONSTRAINT later NOT NULL a NOT VALID;
CREATE TABLE periods (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
INSERT INTO periods VALUES ('[1,2)', '[2020-01-01,2020-02-01)');
\endif
-- The same below a partitioned table and below a parent, where the constraint is theirs.
CREATE TABLE not_valid_root (id int, v int) PARTITION BY LIST (id);
CREATE TABLE not_valid_leaf PARTITION OF not_valid_root FOR VALUES IN (1);
INSERT INTO not_valid_root VALUES (1, -5);
ALTER TABLE not_valid_root ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
CREATE TABLE not_valid_parent (v int);
CREATE TABLE not_valid_child () INHERITS (not_valid_parent);
INSERT INTO not_valid_child VALUES (-7);
ALTER TABLE not_valid_parent ADD CONSTRAINT positive CHECK (v > 0) NOT VALID;
COMMENT ON CONSTRAINT positive ON not_valid_parent IS 'for new rows, here and below';
