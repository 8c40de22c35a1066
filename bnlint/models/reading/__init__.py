"""What the source of a forward says about its arguments, and about results."""
