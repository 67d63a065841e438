-- Text search objects of all four kinds.
CREATE SCHEMA text_search;
SET search_path = text_search;

CREATE TEXT SEARCH PARSER zoo_parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE zoo_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY zoo_words (TEMPLATE = zoo_template, accept = 'false');
CREATE TEXT SEARCH DICTIONARY "Own Stemmer" (TEMPLATE = pg_catalog.snowball, LANGUAGE = 'german', STOPWORDS = 'german');
CREATE TEXT SEARCH CONFIGURATION zoo_configuration (PARSER = zoo_parser);
ALTER TEXT SEARCH CONFIGURATION zoo_configuration ADD MAPPING FOR asciiword, word WITH zoo_words, "Own Stemmer";
ALTER TEXT SEARCH CONFIGURATION zoo_configuration ADD MAPPING FOR email, url WITH simple;
CREATE TEXT SEARCH CONFIGURATION copied (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION copied DROP MAPPING FOR int;
CREATE TABLE t (id int PRIMARY KEY, body text, v tsvector GENERATED ALWAYS AS (to_tsvector('text_search.copied', body)) STORED);
INSERT INTO t (id, body) VALUES (1, 'Foxes are jumping over lazy dogs');
CREATE INDEX t_v ON t USING gin (v);
CREATE INDEX t_e ON t USING gin (to_tsvector('text_search.zoo_configuration', body));
