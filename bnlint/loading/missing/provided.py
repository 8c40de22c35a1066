"""What replaces names of missing packages where a stub would not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnlint.loading.missing.audio_transforms import TRANSFORMS
from bnlint.loading.missing.contractions import CONTRACTIONS
from bnlint.loading.missing.mm_layers import MM_LAYERS
from bnlint.loading.missing.moved import moved
from bnlint.loading.missing.settings_dict import SETTINGS
from bnlint.loading.missing.single_process import SINGLE_PROCESS
from bnlint.loading.missing.state_spaces import STATE_SPACES

_PROVIDED: Mapping[tuple[str, str], Any] = {
    **SETTINGS,
    **TRANSFORMS,
    **MM_LAYERS,
    **CONTRACTIONS,
    **STATE_SPACES,
    **SINGLE_PROCESS,
}

PACKAGES = frozenset(package for package, _ in _PROVIDED)
"""The packages of which something is provided."""


def provided(path: str, name: str) -> Any:
    """What replaces ``name`` of a package, a part of which has this path; None for most names."""
    known = _PROVIDED.get((path.partition(".")[0], name))
    return moved(path, name) if known is None else known
