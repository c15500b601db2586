"""From a request or a file to typed records: reading, place and browser."""
