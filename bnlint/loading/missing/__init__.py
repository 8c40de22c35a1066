"""What stands in for packages that are not installed, so that a file imports at all."""
