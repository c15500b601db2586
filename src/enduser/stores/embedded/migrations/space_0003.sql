-- Values of custom attributes. In `users` there is the value that holds, a column `aN` for the attribute of
-- the number N; somebody of whom only values are known has a row without sessions and without a life.
ALTER TABLE users ALTER COLUMN life_started_at DROP NOT NULL;
ALTER TABLE users ALTER COLUMN last_visit_at DROP NOT NULL;

-- Who says what users are. The order decides between candidates of one moment.
CREATE TABLE sources (source INTEGER NOT NULL, name VARCHAR NOT NULL, position INTEGER NOT NULL);
INSERT INTO sources VALUES (1, 'manual', 1), (2, 'api', 2), (3, 'sdk', 2147483647);

-- What runs of files did; writes of the API have a number, but no row here.
CREATE TABLE runs (
    run BIGINT NOT NULL,
    source INTEGER NOT NULL,
    input VARCHAR NOT NULL,          -- the name of what was read
    written_at BIGINT NOT NULL,
    read BIGINT NOT NULL,
    new BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    superseded BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    rejected_values BIGINT NOT NULL,
    undone_at BIGINT                 -- NULL: its values take part
);
ALTER TABLE state ADD COLUMN last_run BIGINT DEFAULT 0;

-- Writes that are done once, however often they are sent.
CREATE TABLE once_keys (
    key VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    written_at BIGINT NOT NULL,
    written VARCHAR NOT NULL         -- what became of it, as JSON
);

-- What each row of each run said of an id, never changed: `aN` is the value; NULL where the row says nothing of
-- the attribute, or clears it.
CREATE TABLE candidates (
    user_key BIGINT NOT NULL,
    source INTEGER NOT NULL,
    run BIGINT NOT NULL,             -- executions of all sources are counted as they begin
    row BIGINT NOT NULL,             -- its number in the run, from 1
    effective_at BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    cleared INTEGER[],               -- numbers of the attributes that the row clears; NULL: none
    flaws VARCHAR                    -- values of the row that were not taken, as `7:wrong_type `
);
