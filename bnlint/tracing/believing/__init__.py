"""Which failures of guessed inputs are believed."""
