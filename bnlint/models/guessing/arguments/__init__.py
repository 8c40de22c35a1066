"""Arguments of a constructor or a factory, guessed and changed where they fail."""
