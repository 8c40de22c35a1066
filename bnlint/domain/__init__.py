"""Frozen types that all rooms share, and the small things they say; only the standard library."""

VERSION = "0.1.0"
"""The version of bnlint; kept here because reading the package metadata takes 25 ms."""

SANDBOXED = "BNLINT_SANDBOXED"
"""The variable that is set in a process that the kernel confines."""
