"""Source edits that mend findings: proposed by action, proved by tracing again, then applied."""
