"""The output formats: each module of this folder is one, and its name is the name of the format."""
