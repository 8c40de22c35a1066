"""The modes of a model: whether evaluation differs from training, and what it tells."""
