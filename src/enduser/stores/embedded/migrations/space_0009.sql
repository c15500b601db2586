-- Ids that stay out, by the keyed hash that `user_ids` has of an id; beside a plain id also the hash that stands for it
-- where ids are hashed.
CREATE TABLE suppressed (
    erasure BIGINT NOT NULL,         -- the number of the erasure that said so
    base_key BIGINT NOT NULL,
    id_check UBIGINT NOT NULL
);
-- Up to which time events have no content any more; late ones may have come since.
ALTER TABLE state ADD COLUMN contentless_to BIGINT;
