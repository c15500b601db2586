-- Place and browser, looked up once per distinct value.

-- name: tables
CREATE OR REPLACE TEMP TABLE agents (user_agent VARCHAR, browser_id INTEGER, is_crawler BOOLEAN);
CREATE OR REPLACE TEMP TABLE addresses (ip VARCHAR, place_id INTEGER, is_excluded BOOLEAN);
CREATE OR REPLACE TEMP TABLE named_places (country VARCHAR, region VARCHAR, city VARCHAR, place_id INTEGER);

-- name: new_agents
SELECT DISTINCT user_agent FROM rows WHERE user_agent IS NOT NULL
AND user_agent NOT IN (SELECT user_agent FROM agents);

-- name: new_addresses
SELECT DISTINCT ip FROM rows WHERE ip IS NOT NULL AND ip <> '' AND ip NOT IN (SELECT ip FROM addresses);

-- name: new_places
SELECT DISTINCT country, region, city FROM rows
WHERE coalesce(country, region, city) IS NOT NULL
EXCEPT SELECT country, region, city FROM named_places;

-- name: store_agents
INSERT INTO agents SELECT unnest($c0::VARCHAR[]), unnest($c1::INTEGER[]), unnest($c2::BOOLEAN[]);

-- name: store_addresses
INSERT INTO addresses SELECT unnest($c0::VARCHAR[]), unnest($c1::INTEGER[]), unnest($c2::BOOLEAN[]);

-- name: store_named_places
INSERT INTO named_places
SELECT unnest($c0::VARCHAR[]), unnest($c1::VARCHAR[]), unnest($c2::VARCHAR[]), unnest($c3::INTEGER[]);

-- name: store_places
INSERT INTO places
SELECT unnest($c0::INTEGER[]), unnest($c1::VARCHAR[]), unnest($c2::VARCHAR[]), unnest($c3::VARCHAR[]);

-- name: store_browsers
INSERT INTO browsers SELECT unnest($c0::INTEGER[]), unnest($c1::VARCHAR[]), unnest($c2::VARCHAR[]);

-- name: forget
DELETE FROM agents;
DELETE FROM addresses;
DELETE FROM named_places;
