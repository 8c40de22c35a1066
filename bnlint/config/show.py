"""The text of ``--show-settings``."""

from __future__ import annotations

import json

from bnlint.config.settings import OPTIONS, Settings
from bnlint.domain.codec import encode


def show_settings(settings: Settings) -> str:
    """Every setting with its value, what it means and where it comes from, one a line."""
    lines = [f"# root: {settings.root}", f"# config file: {settings.config_file or 'none'}"]
    for name in OPTIONS:
        value = json.dumps(encode(getattr(settings, name)), ensure_ascii=False)
        origin = settings.origins.get(name, "default")
        lines.append(f"{name.replace('_', '-')} = {value}  # {origin}")
    return "\n".join(lines) + "\n"
