"""A world without accelerators: what a file wants on CUDA is made where everything else is."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "npu")


class NoAccelerator(TorchFunctionMode):
    """Inside it, ``.cuda()``, ``.to("cuda")`` and ``device="cuda"`` change nothing."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """The result of ``func`` without its wish for an accelerator."""
        kwargs = kwargs or {}
        if func is torch.Tensor.cuda:
            return args[0]
        if func is torch.Tensor.to:
            here = args[0].device
            args = tuple(here if is_accelerator(a) else a for a in args)
            kwargs = {k: here if is_accelerator(v) else v for k, v in kwargs.items()}
        elif "device" in kwargs and is_accelerator(kwargs["device"]):
            kwargs = {k: v for k, v in kwargs.items() if k != "device"}
        return func(*args, **kwargs)


def is_accelerator(device: Any) -> bool:
    """True for a device, or the name of one, that this process lacks."""
    if isinstance(device, torch.device):
        return device.type in _ACCELERATORS
    return isinstance(device, str) and device.partition(":")[0] in _ACCELERATORS
