"""Experiments: other norms, another bias, other samples in the batch."""
