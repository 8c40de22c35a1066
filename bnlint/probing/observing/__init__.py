"""Watching a forward and a backward as they run, and what was read."""
