-- What names a space in paths of the wire form of the reference product.
ALTER TABLE spaces ADD COLUMN guid VARCHAR;
UPDATE spaces SET guid = uuid()::VARCHAR;
