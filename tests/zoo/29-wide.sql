-- As many columns as a table can have, and as long a row as tests have patience for.
CREATE SCHEMA wide;
DO $$
BEGIN
    EXECUTE (SELECT 'CREATE TABLE wide.t (id int PRIMARY KEY, ' || string_agg(format('c%s %s', n, (ARRAY['int', 'text', 'boolean', 'date'])[1 + n % 4]), ', ') || ')'
             FROM generate_series(1, 1599) n);
END
$$;
INSERT INTO wide.t (id, c1, c4, c1599) VALUES (1, 'one', 7, '2020-01-01'), (2, NULL, NULL, NULL);
CREATE TABLE wide.long (id int PRIMARY KEY, v bytea);
INSERT INTO wide.long SELECT 1, decode(repeat('c0ffee00', 4000000), 'hex');
