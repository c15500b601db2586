"""The parts of `EmbeddedStore`: each holds the methods of the contract that are about one subject."""
