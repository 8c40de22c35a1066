"""``python -m bnlint``."""

from bnlint.cli import entry

if __name__ == "__main__":
    entry()
