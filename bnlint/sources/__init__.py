"""Arguments, folders and globs turned into source files, before anything is imported."""

from bnlint.sources.collect import Sources, collect
from bnlint.sources.expand import FileSearch
from bnlint.sources.paths import Paths
from bnlint.sources.source_file import SourceFile, source_file

__all__ = ["FileSearch", "Paths", "SourceFile", "Sources", "collect", "source_file"]
