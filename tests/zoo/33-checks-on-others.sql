-- Checks that call functions which read other tables: rows are refused until those tables have theirs.
CREATE SCHEMA checks_on_others;
SET search_path = checks_on_others;

CREATE TABLE a_last (n int);
CREATE TABLE m_middle (n int);
CREATE TABLE z_first (n int);
CREATE FUNCTION in_first(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN EXISTS (SELECT FROM checks_on_others.z_first WHERE n = $1); END $$;
CREATE FUNCTION in_middle(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN EXISTS (SELECT FROM checks_on_others.m_middle WHERE n = $1); END $$;
INSERT INTO z_first SELECT generate_series(1, 10);
ALTER TABLE m_middle ADD CHECK (checks_on_others.in_first(n));
INSERT INTO m_middle SELECT generate_series(1, 1000) % 10 + 1;
ALTER TABLE a_last ADD CHECK (checks_on_others.in_middle(n));
INSERT INTO a_last SELECT generate_series(1, 10000) % 10 + 1;
