-- Static lists, and the ids that are in them.
CREATE TABLE lists (
    list INTEGER NOT NULL,           -- its number, which is never given twice
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,           -- '': it is called by its id
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL       -- of its name or its members
);
CREATE SEQUENCE list_numbers;
CREATE TABLE list_members (list INTEGER NOT NULL, user_key BIGINT NOT NULL, added_at BIGINT NOT NULL);
