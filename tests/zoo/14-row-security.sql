-- Row level security: rows that a policy hides must be carried, or the migration must refuse.
CREATE SCHEMA row_security;
SET search_path = row_security;

CREATE TABLE enabled (id int PRIMARY KEY, who text DEFAULT current_user);
INSERT INTO enabled VALUES (1, 'a'), (2, 'b');
ALTER TABLE enabled ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON enabled USING (who = current_user) WITH CHECK (who IN ('a', current_user::text));
CREATE POLICY narrow ON enabled AS RESTRICTIVE FOR UPDATE TO zoo_reader, PUBLIC USING (id > (SELECT min(id) FROM row_security.enabled));
CREATE POLICY "see it" ON enabled FOR SELECT TO zoo_reader, "Zoo ""Keeper""" USING (true);
CREATE TABLE forced (id int PRIMARY KEY);
INSERT INTO forced VALUES (1), (2);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY none ON forced USING (false);
-- It binds its owner, with whose rights a subscription writes.
CREATE TABLE forced_on_owner (id int PRIMARY KEY, v text);
INSERT INTO forced_on_owner VALUES (1, 'x'), (2, 'y');
CREATE TABLE forced_without_key (id int);
INSERT INTO forced_without_key VALUES (1), (1);
CREATE POLICY none ON forced_on_owner USING (false);
ALTER TABLE forced_on_owner OWNER TO zoo_owner, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE forced_without_key OWNER TO zoo_owner, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- A policy without effect as long as row security is off, and row security without a policy.
CREATE TABLE not_enabled (id int PRIMARY KEY);
INSERT INTO not_enabled VALUES (1);
CREATE POLICY idle ON not_enabled FOR INSERT WITH CHECK (id > 0);
CREATE TABLE without_policy (id int PRIMARY KEY);
INSERT INTO without_policy VALUES (1);
ALTER TABLE without_policy ENABLE ROW LEVEL SECURITY;
