"""Rules: read from YAML, matched on a graph, explained."""
