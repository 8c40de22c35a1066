"""Results kept between runs, by the content of everything they depend on."""

from bnlint.cache.entries import load, save
from bnlint.cache.environment import environment, own_code, torch_version
from bnlint.cache.store import Store, digest

__all__ = ["Store", "digest", "environment", "load", "own_code", "save", "torch_version"]
