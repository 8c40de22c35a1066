"""What the initial weights of a model do to a signal and to a gradient."""
