-- Event triggers: restored last, or they would act on the restore itself.
CREATE SCHEMA event_triggers;
CREATE TABLE event_triggers.seen (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag text);
CREATE FUNCTION event_triggers.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_triggers.seen (tag) VALUES (TG_TAG);
END
$$;
CREATE FUNCTION event_triggers.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TAG = 'CREATE PUBLICATION' THEN RETURN; END IF;
    RAISE EXCEPTION 'no changes here: %', TG_TAG;
END
$$;
CREATE EVENT TRIGGER zoo_end ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE INDEX') EXECUTE FUNCTION event_triggers.note();
CREATE EVENT TRIGGER "Zoo Drop" ON sql_drop EXECUTE FUNCTION event_triggers.refuse();
ALTER EVENT TRIGGER "Zoo Drop" DISABLE;
CREATE EVENT TRIGGER zoo_rewrite ON table_rewrite EXECUTE FUNCTION event_triggers.note();
ALTER EVENT TRIGGER zoo_rewrite ENABLE ALWAYS;
-- Fires for whoever keeps other triggers quiet.
CREATE EVENT TRIGGER zoo_replica ON ddl_command_start EXECUTE FUNCTION event_triggers.refuse();
ALTER EVENT TRIGGER zoo_replica ENABLE REPLICA;
