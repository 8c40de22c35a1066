"""From measurements to findings: metrics, what they measure, and evidence for static findings."""
