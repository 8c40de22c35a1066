"""Leaving nothing behind: the live model, its inputs, generators and modes are as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bnlint.probing.untouched.state import State, generators
from bnlint.probing.untouched.writes import CopyOnWrite, memory
from bnlint.tracing.nested import tensors


@contextmanager
def untouched(model: nn.Module, device: torch.device, loader: Any = None) -> Iterator[None]:
    """Runs the block and restores the model bit by bit, also after an error or an interrupt.

    Restored are attributes, flags, hooks, buffers, what lies in plain attributes and containers
    (tensors, generators, modules), ``.grad``, and any parameter that the block writes to (copied
    when the first write is seen, as most forwards never do). Inputs are guarded by :func:`kept`.
    """
    state = State.of(model)
    parameters = state.parameters
    before = [(p, p.detach(), p.grad, p.requires_grad) for p in parameters]
    writes = CopyOnWrite(parameters)
    with generators(device, loader):
        try:
            with torch.inference_mode(False), torch.enable_grad(), writes:
                yield
        finally:
            state.put_back()
            for parameter, own, gradient, flag in before:
                if memory(parameter) != memory(own):
                    parameter.data = own
                if parameter.grad is not gradient:
                    parameter.grad = gradient
                if parameter.requires_grad is not flag:
                    parameter.requires_grad_(flag)
            writes.put_back()


@contextmanager
def kept(inputs: Any) -> Iterator[None]:
    """Runs the block and restores the tensors in ``inputs`` that it writes to."""
    writes = CopyOnWrite(tensors(inputs))
    try:
        with writes:
            yield
    finally:
        writes.put_back()
