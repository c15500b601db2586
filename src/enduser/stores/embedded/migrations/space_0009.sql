-- Ids that stay out, by the keyed hash that `user_ids` has of an id; beside a plain id also the hash that stands for it
-- where ids are hashed.
CREATE TABLE suppressed (
    erasure BIGINT NOT NULL,         -- the number of the erasure that said so
    base_key BIGINT NOT NULL,
    id_check UBIGINT NOT NULL,
    plain_key BIGINT,                -- of a hash that stands for a plain id: the base_key of that id; else NULL
    salt_check UBIGINT               -- of such a hash: the keyed hash of the salt that it has
);
-- Up to which time events have no content any more; late ones may have come since.
ALTER TABLE state ADD COLUMN contentless_to BIGINT;
