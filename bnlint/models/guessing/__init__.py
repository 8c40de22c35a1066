"""Calls and inputs that nobody stated: found in the source, or guessed."""
