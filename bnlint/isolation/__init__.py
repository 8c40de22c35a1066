"""Files are imported and traced in child processes; only plain data comes back."""
