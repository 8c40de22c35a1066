"""Guessed inputs that are fitted to what the forward does with them."""
