"""Jobs run in child processes, where the user's code can do no harm; only plain data comes back."""
