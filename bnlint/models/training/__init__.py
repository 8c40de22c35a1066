"""Training code, read and not run: which loss is applied to which result of which model."""
