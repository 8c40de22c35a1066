"""What a watched training is read for: its loss, its updates, units over several steps, loggers."""
