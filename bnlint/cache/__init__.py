"""Results kept between runs, by the content of everything they depend on."""

from bnlint.cache.entries import load, save
from bnlint.cache.environment import environment, torch_version
from bnlint.cache.store import Store, digest

__all__ = ["Store", "digest", "environment", "load", "save", "torch_version"]
