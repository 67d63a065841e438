//! Databases of very many tables, whose definitions several sessions create at the same time.

use crate::harness::pair::Pair;

/// Enough for several sessions, with whatever one table may need of another.
const MANY: &str = r#"
CREATE SCHEMA "My s";
CREATE TABLE a_first (id serial PRIMARY KEY);
CREATE TABLE b_held (id int);
CREATE VIEW a_view AS SELECT id FROM a_first;
CREATE SEQUENCE numbers;
CREATE TABLE node (id int GENERATED ALWAYS AS IDENTITY, kind text, name text);
COMMENT ON COLUMN node.kind IS 'inherited with its default or without';
CREATE TABLE spread (id bigserial, at int NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
DO $$
BEGIN
    FOR i IN 1..150 LOOP
        EXECUTE format('CREATE TABLE "My s"."the table %s" (id serial PRIMARY KEY, number bigint DEFAULT nextval(''numbers''))', i);
        EXECUTE format('COMMENT ON COLUMN "My s"."the table %s".id IS %L', i, i);
        EXECUTE format('CREATE TABLE before_%s () INHERITS (node)', i);
    END LOOP;
    ALTER TABLE ONLY node ALTER kind SET DEFAULT 'a', ALTER name SET DEFAULT nextval('numbers');
    FOR i IN 1..150 LOOP
        EXECUTE format('CREATE TABLE after_%s (extra int) INHERITS (node)', i);
        EXECUTE format('CREATE TABLE spread_%s PARTITION OF spread FOR VALUES FROM (%s) TO (%s)', i, i, i + 1);
        EXECUTE format('COMMENT ON TABLE spread_%s IS %L', i, i);
        EXECUTE format('CREATE VIEW v_%s AS SELECT s.id, t.number, v FROM spread_%1$s s, "My s"."the table %1$s" t, a_view v', i);
        EXECUTE format('CREATE TABLE of_view_%s (v v_%1$s, also v_%1$s[])', i);
    END LOOP;
END $$;
CREATE TABLE z (v v_7);
CREATE FUNCTION look(z) RETURNS int LANGUAGE sql AS 'SELECT 7';
CREATE TABLE z_looks (id int DEFAULT look(NULL));
ALTER TABLE spread_5 ALTER at SET DEFAULT 5;
INSERT INTO spread (at) SELECT i FROM generate_series(1, 150) i"#;

#[test]
fn tables_are_created_while_another_session_is_held_up_by_one() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql("app", MANY);
    pair.target.create_database("app");
    let holder = pair.target.session("app");
    holder.sql("BEGIN; CREATE TABLE b_held ()");
    let run = pair.migrate().args(["--force-method", "dump", "--debug"]).spawn();
    pair.target.wait_until("app", "to_regclass('spread_150') IS NOT NULL");
    pair.target.wait_until("app", "EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted)");
    holder.sql("ROLLBACK");
    let outcome = run.wait().expect_code(0).expect_silence_about("tried again");
    assert!(!outcome.stderr.contains("pg_restore: "), "nothing was refused: {outcome}");
    pair.assert_equal("app");
}

#[test]
fn what_is_refused_once_among_many_tables_is_tried_again() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "DO $$ BEGIN FOR i IN 1..700 LOOP EXECUTE format('CREATE TABLE t%s (id serial)', i); END LOOP; END $$;
         CREATE VIEW v AS SELECT t1.id FROM t1, t300",
    );
    pair.target.create_database("app");
    pair.target.sql(
        "app",
        "CREATE SCHEMA guard;
         CREATE SEQUENCE guard.tries;
         CREATE FUNCTION guard.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND object_identity = 'public.t300')
                 AND nextval('guard.tries') = 1
             THEN
                 RAISE 'deadlock detected' USING ERRCODE = 'deadlock_detected';
             END IF;
         END $$;
         CREATE EVENT TRIGGER refuse ON ddl_command_end EXECUTE FUNCTION guard.refuse()",
    );
    pair.migrate()
        .args(["--force-method", "dump", "--debug"])
        .run()
        .expect_code(0)
        .expect_stderr("tried again: deadlock detected");
    assert_eq!(pair.target.value("app", "SELECT last_value FROM guard.tries"), "2");
    pair.target.sql("app", "DROP EVENT TRIGGER refuse; DROP SCHEMA guard CASCADE");
    pair.assert_equal("app");
}

/// What children need of their parent is being changed while another session creates one of them: it goes on with others.
#[test]
fn each_table_gets_its_access_method_whichever_was_created_before_it() {
    let Some(pair) = Pair::start() else { return };
    pair.source.create_database("app");
    pair.source.sql(
        "app",
        "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
         CREATE TABLE parent (id int);
         DO $$
         BEGIN
             FOR i IN 1000..1699 LOOP
                 EXECUTE format('CREATE TABLE t%s_a () INHERITS (parent) USING other', i);
                 EXECUTE format('CREATE TABLE t%s_b (id int)', i);
             END LOOP;
         END $$",
    );
    pair.migrate().args(["--force-method", "dump"]).run().expect_code(0);
    const METHODS: &str = "SELECT string_agg(DISTINCT right(relname, 2) || ' ' || amname, ', ')
                           FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relname LIKE 't1%'";
    assert_eq!(pair.source.value("app", METHODS), "_a other, _b heap");
    assert_eq!(pair.target.value("app", METHODS), "_a other, _b heap");
}
