"""The watched forward: names of modules and calls, for everything that observes a model."""
