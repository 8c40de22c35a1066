"""One watched forward: names for modules and calls, for everyone who looks at a running model."""
