-- What is shown to the users of a segment.
CREATE TABLE contents (
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    payload VARCHAR NOT NULL,            -- JSON
    segment VARCHAR,                     -- NULL: it is shown to everyone
    is_public BOOLEAN NOT NULL,
    saved_at BIGINT NOT NULL,
    saved_by VARCHAR NOT NULL,
    created_at BIGINT NOT NULL
);
