"""From a request or a file to what a store takes: reading, judging, the spool, place and browser."""
