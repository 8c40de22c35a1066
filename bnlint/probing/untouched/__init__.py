"""Leaving nothing behind: the model, its inputs, modes and the generators are as before."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import nn

from bnlint.probing.untouched.checksums import checksums, differing
from bnlint.probing.untouched.copy_on_write import CopyOnWrite, kept, memory
from bnlint.probing.untouched.live_state import LiveState
from bnlint.probing.untouched.signals import HeldSignals
from bnlint.tracing.forward import WatchedForward
from bnlint.tracing.process_state import Restoration, kept_process, restore

__all__ = ["Untouched", "kept", "memory", "seed"]

_NAMED = 3
"""Weights named in a note."""


class Untouched:
    """A context that restores the watched model bit by bit, also after an error or interrupt.

    Restored are attributes, flags, hooks, buffers, the tensors, arrays, generators, objects and
    modules in plain attributes and containers, ``.grad``, and any parameter that torch writes to
    or hands out to others (copied then, as most forwards have none). A parameter that changed
    unseen is named in ``notes``. Signals wait until all is restored. Inputs are guarded by
    ``kept``; a ``loader`` draws the same samples afterwards as it would have.
    """

    def __init__(self, watched: WatchedForward, device: torch.device, loader: Any = None) -> None:
        self._watched, self._device, self._loader = watched, device, loader
        self._signals = HeldSignals(Untouched.__exit__.__code__)
        self._stack = ExitStack()
        self.notes: tuple[str, ...] = ()

    def __enter__(self) -> Untouched:
        """Keeps what there is."""
        self._signals.watch()
        try:
            self._keep()
        except BaseException:
            self._stack.close()
            self._signals.release()
            raise
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Puts everything back; an error says what could not be."""
        self._signals.hold()
        try:
            self._stack.__exit__(kind, error, traceback)
        finally:
            try:
                restore(self._before)
                self.notes = self._changed()
            finally:
                self._signals.release()
        if error is not None:
            for note in self.notes:
                error.add_note(note)

    def _keep(self) -> None:
        state = LiveState(self._watched.registry.root)
        self._parameters = state.parameters
        self._sums = checksums(state.parameters)
        writes = CopyOnWrite(state.parameters)
        if state.hooked:
            writes.copy_all()
        self._before: tuple[Restoration, ...] = (
            partial(setattr, nn.Module, "__call__", nn.Module.__call__),
            *state.restorations,
            *map(_kept, state.parameters),
            writes.put_back,
            *kept_process(self._device.type, _drawn_from(self._loader)),
        )
        self._stack.enter_context(torch.inference_mode(False))
        self._stack.enter_context(torch.enable_grad())
        self._stack.enter_context(self._watched.by(writes))

    def _changed(self) -> tuple[str, ...]:
        """A note on the parameters that are not what they were."""
        changed = differing(self._sums, checksums(self._parameters))
        if not any(changed):
            return ()
        names = {id(p): f"`{name}`" for name, p in self._watched.registry.root.named_parameters()}
        found = [
            names.get(id(p), "a parameter in a plain attribute")
            for p, other in zip(self._parameters, changed, strict=True)
            if other
        ]
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        said = f"changed by the model's own code, and not restored: {', '.join(found[:_NAMED])}"
        return (f"{said}{more}. Load your weights again.",)


def _kept(parameter: nn.Parameter) -> Restoration:
    """What restores the memory, the gradient and the flag of a parameter."""
    own, gradient, flag = parameter.detach(), parameter.grad, parameter.requires_grad

    def put_back() -> None:
        if memory(parameter) != memory(own):
            parameter.data = own
        if parameter.grad is not gradient:
            parameter.grad = gradient
        if parameter.requires_grad is not flag:
            parameter.requires_grad_(flag)

    return put_back


def _drawn_from(loader: Any) -> list[torch.Generator]:
    batches = getattr(loader, "batch_sampler", None)
    holders = (loader, batches, getattr(loader, "sampler", None), getattr(batches, "sampler", None))
    found = (getattr(h, "generator", None) for h in holders)
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


def seed(device: torch.device, number: int) -> None:
    """Seeds the CPU's generator and those of this kind of device, and no other."""
    torch.default_generator.manual_seed(number)
    backend = getattr(torch, device.type, None)
    every = getattr(backend, "manual_seed_all", None) or getattr(backend, "manual_seed", None)
    if device.type != "cpu" and every is not None:
        every(number)
