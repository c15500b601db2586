"""A collector: takes events from the public port, and brings them to the disk."""
