-- Names that break quoting, archive listings and connection strings: every one must arrive as it is.
CREATE SCHEMA "it's a ""zoo""; DROP SCHEMA public --";
CREATE SCHEMA "Ünïcode Šchéma 日本";
CREATE SCHEMA "select";

-- 63 bytes, the most that a name may have.
CREATE TABLE "select"."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz" (
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbz" int
        CONSTRAINT "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccez" PRIMARY KEY
);
INSERT INTO "select"."aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaz" VALUES (63);

CREATE TABLE "it's a ""zoo""; DROP SCHEMA public --"."-- leading dashes" (id int PRIMARY KEY, "$1" text, "\." text);
INSERT INTO "it's a ""zoo""; DROP SCHEMA public --"."-- leading dashes" VALUES (1, '$1', '\.'), (2, '', NULL);

CREATE TABLE "Ünïcode Šchéma 日本"."tab	and ""quotes"" and 100%s" (
    "column 'one'" int, "column ""two""" text, "тип" text DEFAULT 'a''b\c',
    CONSTRAINT "primary; key" PRIMARY KEY ("column 'one'", "column ""two""")
);
INSERT INTO "Ünïcode Šchéma 日本"."tab	and ""quotes"" and 100%s" VALUES (1, 'x'), (2, E'\t');
CREATE INDEX "an index, its (expression)" ON "Ünïcode Šchéma 日本"."tab	and ""quotes"" and 100%s" (lower("column ""two"""));
CREATE SEQUENCE "Ünïcode Šchéma 日本"."Sequence ; 1";
SELECT setval('"Ünïcode Šchéma 日本"."Sequence ; 1"', 77);

-- Backslashes, braces and commas are what arrays of names would have to escape; blanks at the ends are easily lost.
CREATE TABLE "select"."a\b,{c},""d""" (id int PRIMARY KEY, "{" int, "," int);
INSERT INTO "select"."a\b,{c},""d""" VALUES (1, 2, 3);
CREATE TABLE "select"." blank " (" " int PRIMARY KEY);
INSERT INTO "select"." blank " VALUES (5);
CREATE TABLE "select"."TABLE" ("user" text PRIMARY KEY, "order" int, "Order" int, "ORDER" int);
INSERT INTO "select"."TABLE" VALUES ('u', 1, 2, 3);

CREATE TYPE "select"."Enum, Type" AS ENUM ('it''s', 'a "label"', 'ünï', '');
CREATE FUNCTION "select"."Function (int)"("in out" int, VARIADIC "rest" "select"."Enum, Type"[]) RETURNS text
    LANGUAGE sql AS $$ SELECT "in out"::text || "rest"::text $$;
CREATE VIEW "select"."view; --" AS
    SELECT "column 'one'" AS "?column?", "тип" AS "x""y" FROM "Ünïcode Šchéma 日本"."tab	and ""quotes"" and 100%s";
CREATE TABLE "select"."%I %L %s" (e "select"."Enum, Type" PRIMARY KEY, r "select"."TABLE");
INSERT INTO "select"."%I %L %s" VALUES ('a "label"', ROW('x', 1, 2, 3)), ('', NULL);
