"""A file becomes a module: its text, its import, and what is missing for it."""
