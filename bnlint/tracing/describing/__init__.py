"""From a record to the plain data that leaves the torch world."""
