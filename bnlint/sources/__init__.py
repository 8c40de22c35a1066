"""Arguments, folders and globs turned into source files, before anything is imported."""

from bnlint.sources.collect import collect
from bnlint.sources.paths import Paths
from bnlint.sources.read import source_file
from bnlint.sources.types import Search, SourceFile, Sources

__all__ = ["Paths", "Search", "SourceFile", "Sources", "collect", "source_file"]
