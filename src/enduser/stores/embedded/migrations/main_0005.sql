-- Forgetting. People who were erased, without their ids: what is kept of each is a keyed hash, by which an older copy of
-- the data can be rid of them too.
CREATE TABLE erasures (
    number BIGINT NOT NULL,          -- from 1, over all spaces
    space VARCHAR NOT NULL,
    erased_at BIGINT NOT NULL,       -- server time
    id_hash VARCHAR NOT NULL,        -- of the id by which somebody asked
    id_hashes VARCHAR[] NOT NULL,    -- of all ids of the person
    ids BIGINT NOT NULL,             -- how much went
    events BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    "values" BIGINT NOT NULL,
    is_suppressed BOOLEAN NOT NULL,  -- whether the person was to stay out from then on
    gone_at BIGINT                   -- when no file had a byte of it any more; NULL: not yet
);
-- What became of users by their age.
CREATE TABLE retention_runs (
    number BIGINT NOT NULL,          -- from 1, over all spaces
    space VARCHAR NOT NULL,
    as_of BIGINT NOT NULL,           -- by this time they were judged
    began_at BIGINT NOT NULL,        -- server time
    ended_at BIGINT,                 -- NULL: it goes on, or its process ended
    users BIGINT NOT NULL,           -- how much went so far; persons
    ids BIGINT NOT NULL,
    lives BIGINT NOT NULL,           -- persons of whom only earlier lives went
    events BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    "values" BIGINT NOT NULL,
    contents BIGINT NOT NULL,        -- events of which only the content went
    gone_at BIGINT                   -- as of an erasure
);
