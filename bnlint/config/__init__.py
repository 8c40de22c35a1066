"""Settings: what the command line, ``pyproject.toml`` or ``bnlint.toml`` and the defaults say."""

from bnlint.config.load import load_settings
from bnlint.config.option import InputsFor, ModelsFor, Output, PerFile
from bnlint.config.settings import Settings

__all__ = ["InputsFor", "ModelsFor", "Output", "PerFile", "Settings", "load_settings"]
