-- When the first event was accepted over HTTP: from then on the space's clock is the server's. NULL: a
-- history space.
ALTER TABLE state ADD COLUMN live_since BIGINT;
