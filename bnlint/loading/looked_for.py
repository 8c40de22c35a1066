"""Files of weights that code looks for before it loads them: no reason to give up where one is not.

Code that refuses to go on without such a file, or wants to download it, is run once more while
absent weights pretend to be there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bnlint.loading.weights import LEFT_OUT

_SUFFIX = r"\.(pth?|pyth|ckpt|tar|bin|safetensors|pkl|pickle|h5|hdf5|npz|weights|caffemodel|model)"
_WEIGHTS = re.compile(rf"(?i).*{_SUFFIX}(\.(tar|gz|zip))?|[^.]*(weights?|checkpoints?|ckpts?)[^.]*")

Asking = Callable[..., bool]


def watch_for_weights() -> None:
    """Note which weights are looked for, from now on; for child processes."""
    owner: Any
    for owner, names in ((os.path, ("exists", "isfile")), (Path, ("exists", "is_file"))):
        for name in names:
            setattr(owner, name, _noting(getattr(owner, name)))


def _noting(plain: Asking) -> Asking:
    def is_there(path: Any, *args: Any, **kwargs: Any) -> bool:
        if plain(path, *args, **kwargs):
            return True
        if not (isinstance(path, (str, os.PathLike)) and _WEIGHTS.fullmatch(_last(path))):
            return False
        LEFT_OUT.looked_for += 1
        return LEFT_OUT.pretends

    return is_there


def _last(path: Any) -> str:
    return os.path.basename(os.fsdecode(path).rstrip("/\\"))
