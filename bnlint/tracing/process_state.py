"""What a forward may change in the process: generators, and torch's own settings."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch

ACCELERATORS = ("cuda", "xpu", "mps")

Restoration = Callable[[], object]
"""Puts something back as it was."""


@contextmanager
def process_state(device: str = "cpu", drawn: Iterable[torch.Generator] = ()) -> Iterator[None]:
    """Runs the block, then restores generators and torch's settings (dtype, device, modes)."""
    before = kept_process(device, drawn)
    try:
        yield
    finally:
        restore(before)


def kept_process(
    device: str = "cpu", drawn: Iterable[torch.Generator] = ()
) -> tuple[Restoration, ...]:
    """What restores the state that the process has now."""
    return (*_settings(), *_generators(device, drawn))


def restore(before: Iterable[Restoration]) -> None:
    """Restores everything; what fails does not keep the rest from being restored."""
    failed: list[Exception] = []
    for put_back in before:
        try:
            put_back()
        except Exception as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _generators(device: str = "cpu", drawn: Iterable[torch.Generator] = ()) -> list[Restoration]:
    """The state of Python's, numpy's (if loaded) and torch's generators.

    Of accelerators, all devices of the kind ``device`` and of those already in use: asking others
    would start them.
    """
    sources: list[Restoration] = [
        partial(random.setstate, random.getstate()),
        partial(torch.set_rng_state, torch.get_rng_state()),
    ]
    numpy = sys.modules.get("numpy.random")
    sources += [partial(numpy.set_state, numpy.get_state())] if numpy is not None else []
    sources += [_source(kind) for kind in {*ACCELERATORS, device} if _in_use(kind, device)]
    return [*sources, *(partial(g.set_state, g.get_state()) for g in drawn)]


def seed_all(number: int) -> None:
    """Seeds the generators of Python, numpy (if loaded) and torch on the CPU."""
    random.seed(number)
    torch.default_generator.manual_seed(number)
    if (numpy := sys.modules.get("numpy.random")) is not None:
        numpy.seed(number)


def default_device() -> torch.device:
    """The device on which tensors are made that name none."""
    try:
        return torch.get_default_device()
    except AttributeError:  # torch 2.4, once a device was set and then None
        return torch.device("cpu")


def set_default_device(device: torch.device) -> None:
    """Sets the default device, if it is another one."""
    if default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)


_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (default_device, set_default_device),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    *(
        (partial(getattr, torch.backends.cudnn, name), partial(setattr, torch.backends.cudnn, name))
        for name in ("benchmark", "deterministic", "enabled")
    ),
)
"""What reads each setting, and what writes it."""


def _settings() -> Iterator[Restoration]:
    for read, write in _SETTINGS:
        with suppress(RuntimeError):  # precisions that were set by device and by kind at once
            yield partial(_put_back, read, write, read())


def _put_back(read: Callable[[], Any], write: Callable[[Any], object], before: Any) -> None:
    if read() != before:
        write(before)


def _source(kind: str) -> Restoration:
    """The generators of all devices of a kind."""
    backend = getattr(torch, kind)
    if hasattr(backend, "get_rng_state_all"):
        return partial(backend.set_rng_state_all, backend.get_rng_state_all())
    return partial(backend.set_rng_state, backend.get_rng_state())


def _in_use(kind: str, device: str) -> bool:
    """True if this process has started the device."""
    backend = getattr(torch, kind, None)
    if kind == "cpu" or not hasattr(backend, "get_rng_state"):
        return False
    return kind == device or bool(getattr(backend, "is_initialized", lambda: False)())
