-- The feed: what became another of users, in the order in which it was noticed.
CREATE TABLE feed (
    number BIGINT NOT NULL,
    noticed_at BIGINT NOT NULL,          -- by the space's clock
    written_at BIGINT NOT NULL,          -- server time
    person_key BIGINT NOT NULL,
    kind VARCHAR NOT NULL,               -- entered or left a segment; changed: an attribute
    subject VARCHAR NOT NULL,            -- the id of the segment, the name of the attribute
    before VARCHAR,                      -- JSON, of an attribute
    after VARCHAR
);
-- What it has told of each person so far, of whom there is anything.
CREATE TABLE told (
    person_key BIGINT NOT NULL,
    segments VARCHAR[] NOT NULL,
    attributes VARCHAR NOT NULL          -- JSON object of the followed ones
);
-- Up to which fold and which time of the clock that is true, and of which rules.
CREATE TABLE feed_state (
    fold BIGINT NOT NULL,
    clock_at BIGINT NOT NULL,
    followed VARCHAR NOT NULL,           -- JSON: what names the rule of each segment, and the attributes
    last_number BIGINT NOT NULL,
    kept_from BIGINT NOT NULL            -- what is older was forgotten
);
INSERT INTO feed_state VALUES (0, 0, '{"segments":{},"attributes":[]}', 0, 1);
