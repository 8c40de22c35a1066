"""Tensors on meta, and the numbers of those that have few and known ones.

Code that builds or runs a model reads some numbers back: ``torch.linspace(0, 0.1, 12).tolist()``,
``if mask.all()``. A tensor that was made from numbers therefore keeps them beside it, while all
tensors that the code sees are on meta, whatever device it asks for.
"""
