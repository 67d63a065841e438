-- What a database has from the beginning, changed or dropped.
ALTER SCHEMA public OWNER TO zoo_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO zoo_reader;
