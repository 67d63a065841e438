-- Functions, procedures and aggregates with every attribute.
CREATE SCHEMA functions;
SET search_path = functions;

CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t VALUES (1, 'x');
CREATE FUNCTION plain(a int, b text DEFAULT 'it''s', OUT c int, INOUT d text DEFAULT NULL) LANGUAGE sql AS $$ SELECT a, d || b $$;
CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;
CREATE FUNCTION plain(VARIADIC int[]) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM unnest($1) $$;
CREATE FUNCTION attributes(int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE SECURITY DEFINER COST 5.5
    SET search_path = functions, "Mixed Case", pg_temp SET work_mem = '64MB' SET "DateStyle" = 'ISO, DMY'
    AS $body$
BEGIN
    -- '$$' and "quotes" \ and ünïcode
    RETURN $1;
END
$body$;
CREATE FUNCTION rows_of_t() RETURNS SETOF t LANGUAGE sql STABLE ROWS 7 PARALLEL RESTRICTED AS $$ SELECT * FROM functions.t $$;
CREATE FUNCTION as_table(n int) RETURNS TABLE (a int, b text) LANGUAGE sql AS $$ SELECT n, v FROM functions.t $$;
CREATE FUNCTION anything(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS $$ SELECT $1 $$;
CREATE FUNCTION of_type(t) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1.v $$;
CREATE FUNCTION in_window(int) RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
CREATE PROCEDURE proceed(INOUT a int, b t[]) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN a := a + 1; COMMIT; END $$;
\if :v14
CREATE PROCEDURE give_out(a int, OUT b int) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$;
CREATE FUNCTION with_body(a int, b int DEFAULT 7) RETURNS int LANGUAGE sql RETURN a + b + (SELECT count(*) FROM functions.t)::int;
CREATE FUNCTION atomic(wanted int) RETURNS SETOF text LANGUAGE sql
    BEGIN ATOMIC
        INSERT INTO functions.t VALUES (wanted, 'y') ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING v;
        SELECT t.v FROM functions.t WHERE t.id = wanted;
    END;
-- The body depends on the key; the key is made after functions.
CREATE FUNCTION needs_key() RETURNS TABLE (id int, v text) LANGUAGE sql BEGIN ATOMIC SELECT t.id, t.v FROM functions.t GROUP BY t.id; END;
\endif
CREATE FUNCTION shift_state(internal) RETURNS internal LANGUAGE internal STRICT AS 'array_agg_finalfn';
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1', PARALLEL = SAFE, COMBINEFUNC = numeric_mul);
CREATE AGGREGATE joined(text, text) (SFUNC = string_agg_transfn, STYPE = internal, FINALFUNC = string_agg_finalfn);
CREATE FUNCTION middle_final(float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT $1[1] $$;
CREATE AGGREGATE moving(int) (SFUNC = int4_sum, STYPE = bigint, MSFUNC = int4_avg_accum, MINVFUNC = int4_avg_accum_inv, MSTYPE = bigint[],
    MFINALFUNC = int2int4_sum, MINITCOND = '{0,0}');
CREATE AGGREGATE hypothetical(VARIADIC "any" ORDER BY VARIADIC "any")
    (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE AGGREGATE ordered(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final,
    FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
-- Used where rows are written: in a default, a check, an index and a generated column.
CREATE FUNCTION digest(text) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = functions AS $$ SELECT plain($1) || 'd' $$;
CREATE TABLE uses (id text PRIMARY KEY DEFAULT functions.digest('x'), v text CHECK (functions.digest(v) <> 'xd'),
    w text GENERATED ALWAYS AS (functions.digest(v)) STORED);
CREATE INDEX uses_digest ON uses (functions.digest(v));
INSERT INTO uses (v) VALUES ('y');
