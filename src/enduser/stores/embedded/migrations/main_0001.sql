-- What the whole data folder shares.
CREATE TABLE spaces (
    space VARCHAR NOT NULL,          -- system/environment
    schema_name VARCHAR NOT NULL,    -- where its tables live
    secret VARCHAR NOT NULL,         -- keys its hashes of ids
    created_at BIGINT NOT NULL
);
CREATE TABLE settings (space VARCHAR NOT NULL, name VARCHAR NOT NULL, value VARCHAR NOT NULL);
