"""What user code finds in a child process where a real run has more than bnlint can provide.

Arguments of the command line have their defaults, data files are found beside the file, and what
asks for an accelerator goes on without one. All of it changes the process for good.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, SimpleNamespace
from typing import Any, NoReturn

import torch
from torch import nn

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import listed
from bnlint.loading.missing.single_process import answer_for_one_process

_NAMED = 4
_ANCESTORS = 6


@dataclass(slots=True)
class Provisions:
    """What was provided for the file at ``path``; ``lacking`` are arguments without a default."""

    path: str
    lacking: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)

    def install(self) -> None:
        """Provide everything from now on."""
        self._default_arguments()
        self._find_data_files()
        _load_no_scripts()
        _compile_nothing()
        _go_without_accelerator()
        answer_for_one_process()
        _look_for_triton()

    def notes(self) -> Iterator[Problem]:
        """A note for each parser whose required arguments were left out."""
        for line, names in self.lacking:
            more = len(names) - _NAMED
            shown = [f"`{name}`" for name in names[:_NAMED]]
            shown += [f"{more} more"] if more > 0 else []
            have = "has no default and is" if len(names) == 1 else "have no default and are"
            said = (
                f"no arguments are given while bnlint imports a file: {listed(shown)} {have} None"
            )
            hint = "add defaults, or parse arguments under `if __name__ == '__main__'`"
            yield Problem(ProblemKind.SKIPPED_CODE, self.path, said, hint, line)

    def _default_arguments(self) -> None:
        parser: Any = argparse.ArgumentParser
        ordinary = parser.parse_known_args

        def parse_known_args(self_: Any, args: Any = None, namespace: Any = None) -> Any:
            if args:
                return ordinary(self_, args, namespace)
            with _nothing_required(self_) as names:
                found = ordinary(self_, [], namespace)
            if names:
                self.lacking.append((self._line(), names))
            return found

        parser.parse_known_args = parse_known_args

    def _line(self) -> int:
        """The line of the file that is being run; 0 if none of it is."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self.path:
                return frame.f_lineno
            frame = frame.f_back
        return 0

    def _find_data_files(self) -> None:
        ordinary = builtins.open

        def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            reads = isinstance(mode, str) and not set(mode) & set("wax+")
            return ordinary(self._found(file) if reads else file, mode, *args, **kwargs)

        builtins.open = io.open = opening

    def _found(self, file: Any) -> Any:
        """A file by its relative path, from the folder of the file that is checked or one above."""
        if not isinstance(file, (str, os.PathLike)) or os.path.isabs(file) or os.path.exists(file):
            return file
        folder = os.path.dirname(self.path)
        for _ in range(_ANCESTORS):
            path = os.path.join(folder, os.fspath(file))
            if os.path.isfile(path):
                return path
            if os.path.exists(os.path.join(folder, ".git")):
                break
            folder = os.path.dirname(folder)
        return file


@contextlib.contextmanager
def _nothing_required(parser: argparse.ArgumentParser) -> Iterator[tuple[str, ...]]:
    """Let a parser take no arguments at all; the names of those that it requires."""
    required: list[Any] = [action for action in parser._actions if action.required]
    names = tuple(action.dest for action in required if action.default is None)
    required += [group for group in parser._mutually_exclusive_groups if group.required]
    for each in required:
        each.required = False
    try:
        yield names
    finally:
        for each in required:
            each.required = True


def _load_no_scripts() -> None:
    """Load no scripted model, and let what needs one return what it was given."""
    jit: Any = torch.jit
    jit.load = LoadedScript
    for name in ("freeze", "optimize_for_inference"):
        setattr(jit, name, lambda model, *_, **__: model)


def _compile_nothing() -> None:
    """Let ``torch.compile`` return what it is given, which does the same and can be traced."""

    def compile_nothing(model: Any = None, *_: Any, **__: Any) -> Any:
        return model if model is not None else lambda function: function

    torch.compile = compile_nothing
    nn.Module.compile = _returning(None)  # type: ignore[method-assign]


def _look_for_triton() -> None:
    """Let torch look for triton before a file of the project can be taken for it."""
    with contextlib.suppress(Exception):  # no release has promised to have it
        importlib.import_module("torch.utils._triton").has_triton_package()


def _go_without_accelerator() -> None:
    """Let calls about the device do nothing, and describe one without memory."""
    described = SimpleNamespace(
        name="none", major=8, minor=0, total_memory=0, multi_processor_count=1
    )
    answers: dict[str, Any] = {
        **dict.fromkeys(_IGNORED),
        "current_device": 0,
        "get_device_capability": (8, 0),
        "get_device_name": "none",
        "get_device_properties": described,
        "mem_get_info": (0, 0),
    }
    for name, value in answers.items():
        setattr(torch.cuda, name, _returning(value))
    torch.cuda.device = _NoDevice  # type: ignore[misc,assignment]
    for name in _TENSOR_TYPES:
        setattr(torch.cuda, name, getattr(torch, name))
    for name in ("set_default_tensor_type", "set_default_device"):
        setattr(torch, name, _unless_accelerated(getattr(torch, name)))


_IGNORED = ("init", "set_device", "synchronize", "reset_peak_memory_stats", "ipc_collect")
_TENSOR_TYPES = tuple(
    f"{kind}Tensor"
    for kind in (
        "Float",
        "Double",
        "Half",
        "BFloat16",
        "Long",
        "Int",
        "Short",
        "Char",
        "Byte",
        "Bool",
    )
)
_ACCELERATED = ("cuda", "mps", "xpu", "hpu", "npu")


def _returning(value: Any) -> Callable[..., Any]:
    """A function of its own for each name: torch's compiler tells them apart by identity."""
    return lambda *_, **__: value


def let_settings_be_set() -> None:
    """Let a Lightning model assign ``self.hparams``, as its versions before 1.0 did."""
    for package in ("lightning.pytorch", "pytorch_lightning"):
        module = sys.modules.get(f"{package}.core.mixins.hparams_mixin")
        mixin: Any = getattr(module, "HyperparametersMixin", SimpleNamespace)
        kept = vars(mixin).get("hparams")
        if isinstance(kept, property) and kept.fset is None:
            mixin.hparams = kept.setter(_set_settings)


def _set_settings(self: Any, settings: Any) -> None:
    self._hparams = settings


class LoadedScript(nn.Module):
    """Represents what ``torch.jit.load`` returns: a model whose layers cannot be seen.

    It is the same where the file is missing, as it often is on other machines.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: nothing is known of what happens in the file."""
        raise NotImplementedError("a model of torch.jit.load cannot be seen into")


class _NoDevice(contextlib.nullcontext[None]):
    """Represents ``torch.cuda.device(0)`` in a ``with`` statement."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()


def _unless_accelerated(function: Any) -> Any:
    def called(value: Any, *args: Any) -> Any:
        if any(name in str(value) for name in _ACCELERATED):
            return None
        return function(value, *args)

    return called
