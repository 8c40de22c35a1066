"""Where the numbers of a watched training go: TensorBoard, Weights & Biases, or a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from bnlint.domain.errors import UsageError
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats, NormStats, call_name, site_name
from bnlint.probing.judging.metric import numbers_of

Sink = Callable[[int, Mapping[str, float]], None]
"""Takes the step and numbers by name."""


def numbers(result: ProbeResult) -> dict[str, float]:
    """The numbers of a result by name, as loggers take them."""
    found: dict[str, float | None] = {"loss": result.loss}
    found |= {f"{n}/{site}": value for row in _rows(result) for n, site, value in _logged(row)}
    found |= {f"gradient-over-weight/{call_name(k.layer, k.call)}": k.ratio for k in result.kernels}
    found |= {
        f"update-over-weight/{u.layer}": u.ratio
        for u in result.updates
        if u.parameter == "weight" and u.dimensions > 1
    }
    if result.updates:
        found["unchanged-parameters"] = float(sum(u.unchanged > 0 for u in result.updates))
    found["gradient-ratio"] = result.gradient_ratio
    found["findings"] = float(len(result.report.findings))
    return {f"bnlint/{name}": value for name, value in found.items() if value is not None}


def _rows(result: ProbeResult) -> tuple[ActivationStats | NormStats, ...]:
    return (*result.activations, *result.norms)


def _logged(row: ActivationStats | NormStats) -> Iterator[tuple[str, str, float | None]]:
    site = site_name(row.layer, row.call)
    for n in numbers_of(type(row)):
        if n.logged:
            yield n.name.replace("_", "-"), site, n.read(row)


def sink_of(log: Any) -> Sink | None:
    """A function for what the user gave: a writer, a run, a folder, a function or None."""
    if hasattr(log, "add_scalar"):
        return partial(_to_tensorboard, log)
    if hasattr(log, "define_metric"):
        log.define_metric("bnlint/*", step_metric="bnlint/step")
        return partial(_to_wandb, log)
    if log is None or callable(log):
        sink: Sink | None = log
        return sink
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        hint = "pip install 'bnlint[tensorboard]'"
        raise UsageError("logging to TensorBoard needs it", hint=hint) from error
    return partial(_to_tensorboard, SummaryWriter(str(log)))


def _to_tensorboard(writer: Any, step: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        writer.add_scalar(name, value, step)
    writer.flush()


def _to_wandb(run: Any, step: int, values: Mapping[str, float]) -> None:
    """Adds the numbers to the user's current step: a step of our own would shift the user's."""
    run.log({**values, "bnlint/step": step}, commit=False)
