"""What the probe says of healthy and of sick nets."""
