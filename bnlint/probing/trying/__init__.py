"""Experiments: other norms, another bias, other company in the batch."""
