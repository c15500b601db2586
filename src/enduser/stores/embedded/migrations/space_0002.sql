-- When the first event was accepted over HTTP: from then on the space's clock is the server's. NULL: a
-- history space.
ALTER TABLE state ADD COLUMN live_since BIGINT;

-- What the serving copy must follow: who changed with which fold. Those before `touched_since` are not
-- remembered; a copy that is older is made anew.
ALTER TABLE state ADD COLUMN last_fold BIGINT DEFAULT 1;
ALTER TABLE state ADD COLUMN touched_since BIGINT DEFAULT 1;
CREATE TABLE touched_persons (person_key BIGINT NOT NULL, fold BIGINT NOT NULL);

-- Who is who. What events say of an anonymous id and a user id: the least (time, message id) of a pair.
CREATE TABLE claims (
    anonymous_key BIGINT NOT NULL,
    user_key BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    message_id VARCHAR NOT NULL
);
-- What the API said last of two ids; a removed pair stays apart whatever events claim.
CREATE TABLE links (
    one_key BIGINT NOT NULL,         -- the lesser key of the two
    other_key BIGINT NOT NULL,
    said_at BIGINT NOT NULL,
    is_removed BOOLEAN NOT NULL
);
-- The ids of each person of two or more. `person_key` is the key of the id that is shown; `id_order`
-- counts the ids of a person in byte order, as last values need it.
CREATE TABLE persons (user_key BIGINT NOT NULL, person_key BIGINT NOT NULL, id_order INTEGER NOT NULL);
-- Ids of which something else is said since the last fold.
CREATE TABLE relinked (user_key BIGINT NOT NULL);
