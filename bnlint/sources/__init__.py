"""Arguments, folders and globs turned into source files, before anything is imported."""

from bnlint.sources.collect import collect
from bnlint.sources.read import source_file
from bnlint.sources.types import Search, SourceFile, Sources

__all__ = ["Search", "SourceFile", "Sources", "collect", "source_file"]
