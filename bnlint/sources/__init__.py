"""Arguments, folders and globs turned into source files, before anything is imported."""

from bnlint.sources.collect import SourceFile, Sources, collect, source_file
from bnlint.sources.expand import FileSearch
from bnlint.sources.paths import Paths

__all__ = ["FileSearch", "Paths", "SourceFile", "Sources", "collect", "source_file"]
