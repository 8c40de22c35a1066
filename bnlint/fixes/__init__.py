"""Fixes of findings: edits are proposed, proved by tracing again, and applied."""
