"""Results kept between runs, by the content of everything they depend on."""

from bnlint.cache.environment import environment, own_code, torch_version
from bnlint.cache.store import Store, digest, load, save

__all__ = ["Store", "digest", "environment", "load", "own_code", "save", "torch_version"]
