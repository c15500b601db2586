-- What people ask for of users again and again.
CREATE TABLE filters (
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    rule VARCHAR,                        -- JSON; NULL: everyone
    search VARCHAR NOT NULL,             -- empty: any text
    columns VARCHAR[],                   -- NULL: all attributes
    sort VARCHAR NOT NULL,
    saved_at BIGINT NOT NULL,
    saved_by VARCHAR NOT NULL,
    created_at BIGINT NOT NULL,
    attributes VARCHAR[] NOT NULL,       -- what it names
    segments VARCHAR[] NOT NULL,
    lists VARCHAR[] NOT NULL
);
