"""One file for each way to get a record of a model."""
