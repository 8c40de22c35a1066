"""Inputs of a forward, found or guessed."""
