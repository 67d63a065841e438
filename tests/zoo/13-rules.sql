-- Rewrite rules: on tables they would act on every statement that a migration sends, if it sent INSERTs.
CREATE SCHEMA rules;
SET search_path = rules;

CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE log (at int, what text);
INSERT INTO t VALUES (1, 'x'), (2, 'y');
CREATE RULE log_inserts AS ON INSERT TO t DO ALSO INSERT INTO log VALUES (new.id, 'insert ' || new.v);
CREATE RULE keep AS ON DELETE TO t WHERE old.id = 1 DO INSTEAD NOTHING;
CREATE RULE "Several, at once" AS ON UPDATE TO t DO ALSO (INSERT INTO log VALUES (old.id, 'was ' || old.v); NOTIFY "Changed", 'it''s'; DELETE FROM log WHERE at > 100);
CREATE RULE off AS ON INSERT TO log DO INSTEAD NOTHING;
ALTER TABLE log DISABLE RULE off;
CREATE RULE always AS ON DELETE TO log DO ALSO NOTHING;
ALTER TABLE log ENABLE ALWAYS RULE always;
CREATE VIEW v AS SELECT * FROM t;
CREATE RULE through AS ON INSERT TO v DO INSTEAD INSERT INTO t VALUES (new.id, new.v) RETURNING t.*;
