-- Segments. Each time that one is saved is a version; the greatest is what holds.
CREATE TABLE segments (
    id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    tags VARCHAR[] NOT NULL,
    rule VARCHAR NOT NULL,               -- JSON
    is_public BOOLEAN NOT NULL,
    is_followed BOOLEAN NOT NULL,        -- the feed tells who enters and leaves it
    is_archived BOOLEAN NOT NULL,
    saved_at BIGINT NOT NULL,
    saved_by VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,          -- when the first version was saved
    attributes VARCHAR[] NOT NULL,       -- what the rule names itself
    segments VARCHAR[] NOT NULL,
    lists VARCHAR[] NOT NULL
);

-- Whether the id that a person shows is an anonymous one: nearly every rule asks, and a join with all ids takes
-- seconds.
ALTER TABLE users ADD COLUMN is_anonymous BOOLEAN;
UPDATE users SET is_anonymous = user_ids.is_anonymous FROM user_ids WHERE user_ids.user_key = users.person_key;
