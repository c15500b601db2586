-- Custom attributes, the same in all spaces. A column is named by the number, which is never given twice:
-- `a7` in `users` and `candidates` of each space.
CREATE TABLE attributes (
    number INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    display_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    is_pii BOOLEAN NOT NULL,
    sources VARCHAR[],               -- which may write it; NULL: all but unsigned SDKs
    conflict_rule VARCHAR NOT NULL
);
CREATE SEQUENCE attribute_numbers;
