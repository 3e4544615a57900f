-- rows.sql: a database of 1,000,000 rows in a file: inserted, indexed, joined, changed, vacuumed.
.bail on
.open --new rows.db
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -100000;

CREATE TABLE item(id INTEGER PRIMARY KEY, key INTEGER, name TEXT, weight REAL);
WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 1000000)
INSERT INTO item
SELECT i, i * 2654435761 % 1000003, printf('name-%08x-%d', i * 40503 % 65536, i), i / 7.0
FROM number;
CREATE INDEX item_key ON item(key);
CREATE INDEX item_name ON item(name);

SELECT count(*), sum(key), min(name), max(name), round(sum(weight), 3) FROM item;
SELECT key % 1000 AS class, count(*), max(length(name)) FROM item GROUP BY class ORDER BY class;
SELECT a.name, b.name FROM item a JOIN item b ON b.key = a.key + 1 WHERE a.id % 5000 = 0
ORDER BY a.name;
SELECT count(*), sum(length(names)) FROM
    (SELECT group_concat(name, ',') AS names FROM item GROUP BY key % 5003);

UPDATE item SET name = upper(name) WHERE id % 3 = 0;
DELETE FROM item WHERE id % 10 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), sum(key), min(name), max(name) FROM item;
