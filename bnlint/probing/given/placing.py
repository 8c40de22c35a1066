"""Where and in which precision a probe runs, and the model that it runs there."""

from __future__ import annotations

import copy
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from bnlint.domain.errors import ProbeError
from bnlint.tracing.process_state import ACCELERATORS

DTYPES = {name: getattr(torch, name) for name in ("float16", "half", "bfloat16", "float32")}


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's module inside a compiled or a data-parallel wrapper."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner = model.module if isinstance(model, wrappers) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def resolve(device: str | torch.device | None, model: nn.Module) -> torch.device:
    """The device to run on: the named one if it is available, else that of the model."""
    if device is None:
        return home(model)
    try:
        wanted = torch.device(device)
    except (RuntimeError, ValueError) as error:
        raise ProbeError(
            f"{device!r} is no device", hint=f"use one of {', '.join(available())}"
        ) from error
    if wanted.type not in available():
        raise ProbeError(
            f"the device {str(wanted)!r} is not there",
            hint=f"this machine has {', '.join(available())}",
        )
    accelerator = getattr(torch, "accelerator", None)
    if wanted.type != "cpu" and wanted.index is not None and accelerator is not None:
        count = accelerator.device_count()
        if wanted.index >= count:
            raise ProbeError(
                f"the device {str(wanted)!r} is not there", hint=f"there are {count} of them"
            )
    return wanted


def home(model: nn.Module) -> torch.device:
    """The device of the model's first parameter or buffer; the CPU if it has none."""
    devices = (tensor.device for tensor in (*model.parameters(), *model.buffers()))
    return next(devices, torch.device("cpu"))


def available() -> list[str]:
    """The types of device that this machine has, the CPU first."""
    found = ["cpu", *filter(_is_there, ACCELERATORS)]
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is not None and accelerator.is_available():
        current = accelerator.current_accelerator()
        found += [current.type] if current is not None and current.type not in found else []
    return found


def _is_there(kind: str) -> bool:
    for home in (torch, torch.backends):  # that of MPS moved after torch 2.4
        asks = getattr(getattr(home, kind, None), "is_available", None)
        if asks is not None:
            return bool(asks())
    return False


def placed(model: nn.Module, device: torch.device) -> tuple[nn.Module, str]:
    """The model on ``device`` and a note: the model itself if it is there already, else a copy."""
    if any(p.device.type == "meta" for p in model.parameters()):
        raise ProbeError(
            "the model has no weights: it lies on the meta device",
            hint="build it for real (without torch.device('meta')) to probe it",
        )
    lazy = any(is_lazy(p) for p in model.parameters())
    here = home(model)
    indexed = None not in (here.index, device.index)
    there = here.type == device.type and not (indexed and here.index != device.index)
    if there and not lazy:
        return model, ""
    try:
        copied = copy.deepcopy(model, _lazy_buffers(model)).to(device)
    except Exception as error:
        raise ProbeError(
            f"the model cannot be copied to {device}: {error}",
            hint="move it there yourself and probe without device=",
        ) from error
    return copied, f"probed a copy of the model on {device}"


def _lazy_buffers(model: nn.Module) -> dict[int, Any]:
    """A memo for deepcopy with new buffers for the lazy ones, which torch cannot copy."""
    fresh: Any = UninitializedBuffer
    lazy = (b for b in model.buffers() if is_lazy(b))
    return {id(b): fresh(device=b.device, dtype=b.dtype) for b in lazy}


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Mixed precision with ``dtype``; full precision if it is None."""
    whole = dtype is None or dtype is torch.float32
    return nullcontext() if whole else torch.autocast(device.type, dtype)


def precision(name: str | torch.dtype | None) -> torch.dtype | None:
    """The autocast dtype by name; None for full precision."""
    found = DTYPES.get(name) if isinstance(name, str) else name
    if name is not None and found not in DTYPES.values():
        raise ProbeError(f"{name!r} is no precision for autocast", hint="use float16 or bfloat16")
    return found


CAN_RUN_EAGER = hasattr(torch.compiler, "set_stance")
"""Whether this torch can run compiled parts as plain Python: from 2.6 on."""


def eager() -> AbstractContextManager[Any]:
    """Runs compiled parts as plain Python, so that their operations can be observed.

    Does nothing in a process that has not imported the compiler, which is large.
    """
    loaded = "torch._dynamo" in sys.modules
    stance = getattr(torch.compiler, "set_stance", None) if loaded else None
    return stance("force_eager") if stance is not None else nullcontext()
