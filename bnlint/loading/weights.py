"""Pretrained weights, which no check needs: they are neither downloaded nor read.

What user code loads from the network or from a file is a stand-in that takes part in whatever is
done with weights, and a model that should get it keeps the weights it was initialized with. So a
model is the same on a machine with a filled cache and on one without a network. Modules remember
what they should have got, since rules must not judge weights that the user replaces.

Code that refuses to go on where a file of weights is not there, or wants to download it, is run
once more while absent weights pretend to be there.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.hub
from torch import nn
from torch.nn.modules.module import _IncompatibleKeys

ATTRIBUTE = "_bnlint_left_out"
"""Kept in a module's own ``__dict__``: what the weights of the module were to be loaded from."""

_ENTRIES = 1000
"""The classes of a classifier whose weights are looked at to count them."""

_SMALL = 1 << 20
"""Bytes up to which a file that exists holds data rather than weights, and is loaded."""

_SUFFIX = r"\.(pth?|pyth|ckpt|tar|bin|safetensors|pkl|pickle|h5|hdf5|npz|weights|caffemodel|model)"
_FILES = re.compile(rf"(?i).*{_SUFFIX}(\.(tar|gz|zip))?|[^.]*(weights?|checkpoints?|ckpts?)[^.]*")
"""What files of weights are called."""


class AbsentWeights(dict[str, Any]):
    """Stands for weights: empty, yet with an answer to everything that is asked of it."""

    def __init__(self, source: str) -> None:
        super().__init__()
        object.__setattr__(self, "_source", source)

    def __repr__(self) -> str:
        """Where the weights would come from."""
        return f"<weights of {self._source}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __missing__(self, _: Any) -> Any:
        return self

    def __contains__(self, _: object) -> bool:
        return LEFT_OUT.pretends

    def __iter__(self) -> Iterator[Any]:
        return iter(("absent",) if LEFT_OUT.pretends else ())

    def __len__(self) -> int:
        return _ENTRIES if LEFT_OUT.pretends else 0

    def keys(self) -> Any:
        """No keys, or one that is not that of any weight."""
        return list(self)

    def __call__(self, *_: Any, **__: Any) -> Any:
        """The weights again, whatever is done with them."""
        return self

    def __delitem__(self, _: Any) -> None:
        """Do nothing: whatever is deleted was not there."""

    def _same(self, *_: Any) -> Any:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __neg__ = _same
    pop = get = copy = setdefault = __deepcopy__ = _same

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the tensor that weights were to be copied into, else the weights again."""
        found = [a for a in args if isinstance(a, torch.Tensor)]
        if found and getattr(func, "__name__", "").endswith("_"):
            return found[0]
        listed = [a for each in args if isinstance(each, (tuple, list)) for a in each]
        return next(a for a in (*args, *listed) if isinstance(a, AbsentWeights))


class LeftOut:
    """Everything that was asked for in this process, in its order; see :func:`without_weights`.

    ``looked_for`` counts how often code asked whether a file of weights is there that is not.
    """

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.looked_for = 0
        self.pretends = False

    @property
    def asked(self) -> int:
        """How often code asked for weights, or for their files."""
        return len(self.sources) + self.looked_for

    @contextlib.contextmanager
    def pretending(self) -> Iterator[None]:
        """Let absent weights have a file, any key, and one entry, which code may measure."""
        self.pretends = True
        try:
            yield
        finally:
            self.pretends = False

    def absent(self, source: Any) -> AbsentWeights:
        """A stand-in for the weights of a source, which is remembered."""
        name = _shown(source)
        self.sources.append(name)
        return AbsentWeights(name)


LEFT_OUT = LeftOut()


def without_weights() -> None:
    """Make every way to load weights return a stand-in; cannot be undone: for child processes."""
    load = torch.load

    def read(f: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(f, (str, os.PathLike)) and not _is_small(f):
            return LEFT_OUT.absent(f)
        return load(f, *args, **kwargs)

    def from_url(url: Any = "", *_: Any, **__: Any) -> Any:
        return LEFT_OUT.absent(url)

    owner: Any
    for owner, names in ((os.path, ("exists", "isfile")), (Path, ("exists", "is_file"))):
        for name in names:
            setattr(owner, name, _noting(getattr(owner, name)))
    torch.load = read
    torch.hub.load_state_dict_from_url = from_url
    nn.Module.load_state_dict = _keeping(nn.Module.load_state_dict)  # type: ignore[method-assign]


def _noting(plain: Callable[..., bool]) -> Callable[..., bool]:
    """A function that asks for a file, which notes if weights are asked for that are not there."""

    def is_there(path: Any, *args: Any, **kwargs: Any) -> bool:
        if plain(path, *args, **kwargs):
            return True
        if not (isinstance(path, (str, os.PathLike)) and _FILES.fullmatch(_shown(os.fspath(path)))):
            return False
        LEFT_OUT.looked_for += 1
        return LEFT_OUT.pretends

    return is_there


def _keeping(load_state_dict: Any) -> Any:
    """``load_state_dict`` that leaves a module as it is where the weights are absent."""

    def kept(self: nn.Module, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(state_dict, AbsentWeights):
            mark(self, state_dict._source)
        elif LEFT_OUT.sources and _lacks(self, state_dict):
            mark(self, LEFT_OUT.sources[-1])
        else:
            return load_state_dict(self, state_dict, *args, **kwargs)
        return _IncompatibleKeys([], [])

    return kept


def _lacks(module: nn.Module, state: Any) -> bool:
    """True if weights are missing that the module has: they were selected from absent ones."""
    try:
        own = set(module.state_dict())
        return not own <= set(state) or any(isinstance(state[k], AbsentWeights) for k in own)
    except TypeError:
        return True


def mark(module: nn.Module, source: str) -> None:
    """Remember that a module, with all in it, should have got weights from a source."""
    module.__dict__[ATTRIBUTE] = source


def left_out(model: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The modules of a model that should have got weights, and where from."""
    for module in model.modules():
        if ATTRIBUTE in module.__dict__:
            yield module, module.__dict__[ATTRIBUTE]


def _is_small(path: Any) -> bool:
    try:
        return os.path.getsize(path) <= _SMALL
    except OSError:
        return False


def _shown(source: Any) -> str:
    """The last part of an address or a path: caches and folders differ between machines."""
    return str(source).rstrip("/").rpartition("/")[2] or str(source) or "a file without a name"
