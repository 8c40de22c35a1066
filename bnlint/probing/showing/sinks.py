"""Where the numbers of a watched training go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.probe import ProbeResult

Sink = Callable[[int, Mapping[str, float]], None]
"""Takes the step and numbers by name."""


def numbers(result: ProbeResult) -> dict[str, float]:
    """The numbers of a result by name, as loggers take them."""
    found: dict[str, float] = {}
    for a in result.activations:
        name = f"{a.layer}#{a.call + 1}" if a.call else a.layer
        shares = {"dead": a.dead, "always-on": a.always_on, "saturated": a.saturated}
        found |= {f"bnlint/{k}/{name}": v for k, v in shares.items() if v is not None}
        if a.signal is not None:
            found[f"bnlint/signal/{name}"] = a.signal
    ratio = result.gradient_ratio
    if ratio is not None:
        found["bnlint/gradient-ratio"] = ratio
    found["bnlint/findings"] = float(len(result.report.findings))
    return found


def sink_of(log: Any) -> Sink | None:
    """The function that ``log`` stands for."""
    if log is None:
        return None
    if hasattr(log, "add_scalar"):
        return _scalars(log)
    if callable(log):
        sink: Sink = log
        return sink
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            Mistake("logging to TensorBoard needs it", hint="pip install 'bnlint[tensorboard]'")
        ) from error
    return _scalars(SummaryWriter(str(log)))


def _scalars(writer: Any) -> Sink:
    def write(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return write
