-- One space. Times are microseconds since 1970 UTC. No keys and no unique indexes: the single writer
-- guarantees uniqueness (docs/decisions/0002-duckdb-without-keys.md).

CREATE TABLE state (
    clock_at BIGINT,                 -- the space's clock; NULL before the first event
    greatest_event_at BIGINT,
    last_batch INTEGER NOT NULL,     -- number of the last batch of events taken
    folded_batch INTEGER NOT NULL    -- the last batch that sessions and users already contain
);
INSERT INTO state VALUES (NULL, NULL, 0, 0);

-- Personal text of identities stands only here.
CREATE TABLE user_ids (
    user_key BIGINT NOT NULL,        -- 63-bit keyed hash; another salt where two ids collide
    base_key BIGINT NOT NULL,        -- the same with the first salt
    id_check UBIGINT NOT NULL,       -- the other 64 bits: tells ids of one base_key apart
    is_anonymous BOOLEAN NOT NULL,
    id VARCHAR NOT NULL
);

CREATE TABLE places (place_id INTEGER NOT NULL, country VARCHAR, region VARCHAR, city VARCHAR);
CREATE TABLE browsers (browser_id INTEGER NOT NULL, name VARCHAR, version VARCHAR);

CREATE TABLE events (
    user_key BIGINT NOT NULL,
    client_at BIGINT,                -- as sent: with user_key and message_key the identity
    message_key BIGINT NOT NULL,     -- 63-bit hash of the message id, given or derived
    occurred_at BIGINT NOT NULL,     -- corrected at the door
    received_at BIGINT NOT NULL,
    batch INTEGER NOT NULL,
    is_visit BOOLEAN NOT NULL,
    is_page_view BOOLEAN NOT NULL,
    is_act BOOLEAN NOT NULL,
    place_id INTEGER,
    browser_id INTEGER,
    type VARCHAR NOT NULL,
    name VARCHAR,
    message_id VARCHAR USING COMPRESSION zstd,  -- NULL where it was derived; zstd: half the time of auto
    page_url VARCHAR,
    properties VARCHAR,              -- JSON object
    traits VARCHAR,                  -- JSON object
    ip VARCHAR,                      -- only with store_ip
    anonymous_id VARCHAR,            -- where the event has a user id too: what a link can join
    previous_id VARCHAR              -- of an alias: the other id; hashed as user ids are
);
-- Events whose place or browser became known after they were folded.
CREATE TABLE filled_events (user_key BIGINT NOT NULL, occurred_at BIGINT NOT NULL);

-- What each event said about the five analytics properties; value NULL clears.
CREATE TABLE property_events (
    user_key BIGINT NOT NULL,
    property VARCHAR NOT NULL,
    occurred_at BIGINT NOT NULL,
    message_id VARCHAR NOT NULL,
    is_visit BOOLEAN NOT NULL,
    value VARCHAR
);

-- Sessions by person; the closed ones, and apart the few open ones. A stretch is a session, or the
-- run of sessions that the cap cut it into: `continues` marks all but its first piece, `is_cut_off`
-- all but its last.
CREATE TABLE sessions (
    person_key BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    events BIGINT NOT NULL,
    page_views BIGINT NOT NULL,
    acts BIGINT NOT NULL,
    place_at BIGINT,
    place_id INTEGER,
    browser_at BIGINT,
    browser_id INTEGER,
    continues BOOLEAN NOT NULL,
    is_cut_off BOOLEAN NOT NULL
);
CREATE TABLE open_sessions AS FROM sessions LIMIT 0;

-- The End User Objects as sums; total_sessions = 0 where the current life has no closed session yet.
CREATE TABLE users (
    person_key BIGINT NOT NULL,
    total_sessions BIGINT NOT NULL,
    first_seen BIGINT,
    last_seen BIGINT,
    duration_us BIGINT NOT NULL,
    place_at BIGINT,
    place_id INTEGER,
    browser_at BIGINT,
    browser_id INTEGER,
    life_started_at BIGINT NOT NULL, -- first visit event of the current life, open sessions too
    last_visit_at BIGINT NOT NULL,   -- last visit event, open sessions too
    begins_after BIGINT,             -- end of the retention of the life before; NULL: first life
    name VARCHAR,
    role VARCHAR,
    type VARCHAR,
    status VARCHAR,
    info VARCHAR
);
