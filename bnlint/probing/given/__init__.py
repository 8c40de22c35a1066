"""What a probe is given: its request, a device, batches of data."""
