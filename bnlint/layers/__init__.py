"""What every layer and function is, and what a call of one says; nothing here imports torch."""
