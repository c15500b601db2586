-- Collecting: who may send events where, how far the spool is read, and what became of every event.
CREATE TABLE write_keys (
    space VARCHAR NOT NULL,
    write_key VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT                   -- from then on it is refused; NULL: it has no end
);
INSERT INTO write_keys SELECT space, replace(uuid()::VARCHAR, '-', ''), created_at, NULL FROM spaces;

CREATE TABLE spool_positions (series BIGINT NOT NULL, segment BIGINT NOT NULL, byte BIGINT NOT NULL);

CREATE TABLE outcomes (
    space VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,        -- stored, duplicate, filled, counted, excluded, rejected
    reason VARCHAR NOT NULL,         -- '' where the outcome has none
    events BIGINT NOT NULL
);
