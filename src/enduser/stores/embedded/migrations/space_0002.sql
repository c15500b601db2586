-- When the first event was accepted over HTTP: from then on the space's clock is the server's. NULL: a
-- history space.
ALTER TABLE state ADD COLUMN live_since BIGINT;

-- What the serving copy must follow: who changed with which fold. Those before `touched_since` are not
-- remembered; a copy that is older is made anew.
ALTER TABLE state ADD COLUMN last_fold BIGINT DEFAULT 1;
ALTER TABLE state ADD COLUMN touched_since BIGINT DEFAULT 1;
CREATE TABLE touched_persons (person_key BIGINT NOT NULL, fold BIGINT NOT NULL);
