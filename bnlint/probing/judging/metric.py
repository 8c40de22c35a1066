"""What the probe judges and shows: declarations of metrics, and of the numbers behind them.

Every ``*_metrics.py`` in this folder is read: a metric is a function with the :func:`metric`
decorator, and the numbers that tables show are in ``NUMBERS``. Imports no torch.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from bnlint.domain.finding import Severity
from bnlint.domain.graph import Value
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import ActivationStats, Where

PREFIX = "probe/"
"""What the rule of a measured finding begins with: ``BN`` ids are those of the static rules."""

ENOUGH = 256
"""With fewer samples a unit is *inactive on these samples*, not dead."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A metric that fired at a measured call (None: the whole model), with its numbers.

    ``remedy`` replaces the metric's own where more is known. ``begin`` is the order of an earlier
    call at which the fault begins.
    """

    at: Where | None
    severity: Severity
    message: str
    values: Mapping[str, Value] = field(default_factory=dict)
    remedy: str = ""
    begin: int = 0


Judge = Callable[[ProbeResult], Iterable[Verdict]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that the probe judges, with all that its documentation needs.

    ``name`` says what is wrong, and is the rule of its findings. ``severity`` is that of its
    gravest verdict. ``definition`` states what is measured, in which unit, and ``default`` when it
    fires. ``why`` says what follows from it, ``remedy`` what to do, ``source`` where it is from.
    ``leads_to`` are metrics that follow from it further on in the model: they are one finding.
    ``begins`` is where in a step it does: in the ``data``, at its layer in the ``forward``, in the
    ``backward``, or only in the ``training`` that follows.
    """

    name: str
    severity: Severity
    definition: str
    default: str
    why: str
    remedy: str
    source: str
    judge: Judge
    leads_to: tuple[str, ...] = ()
    begins: str = "forward"


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number of a row of ``domain.probe_rows``, and how tables show it.

    ``name`` is its field in the row and in the JSON, ``doc`` says what it is. ``heading`` is that
    of its column; the page may have a longer one, the terminal leaves out a number without
    ``heading``. A ``share`` from 0 to 1 is drawn as a bar; other numbers are written in the
    terminal by ``text``, right-aligned in ``width`` with the gap before them. ``mark`` chooses the
    style of a row's value there. ``value`` reads the number if it is not the field itself. A
    ``logged`` number also goes to the loggers of a watched training.
    """

    of: type[Any]
    name: str
    doc: str
    heading: str = ""
    page: str = ""
    share: bool = False
    text: Callable[[float], str] = "{:.3g}".format
    width: int = 9
    mark: Callable[[Any], str] = lambda _row: ""
    value: Callable[[Any], float | None] | None = None
    logged: bool = False

    def read(self, row: Any) -> float | None:
        """The value of this number in a row; None if it was not measured."""
        if self.value is not None:
            return self.value(row)
        more: Mapping[str, float | None] = getattr(row, "more", {})
        found: float | None = more.get(self.name, getattr(row, self.name, None))
        return found


SIGNAL = (
    *("dead-layer", "dead-units", "frozen-units", "signal-collapse", "saturation", "scale"),
    *("inactive-share", "norm-low-variance", "identical-units"),
)
"""What a wrong signal leads to further on."""

BACKWARD = ("gradient-vanishing", "gradient-explosion", "initial-loss", "no-gradient")
"""What a wrong signal does to loss and gradient."""


def metric(
    name: str,
    severity: Severity,
    *,
    leads_to: tuple[str, ...] = (),
    begins: str = "forward",
    **documentation: str,
) -> Callable[[Judge], Metric]:
    """Turns the decorated judge into a :class:`Metric` with this documentation."""
    return lambda judge: Metric(
        name, severity, judge=judge, leads_to=leads_to, begins=begins, **documentation
    )


def metrics() -> tuple[Metric, ...]:
    """All metrics, in the order in which findings of the same severity are reported."""
    return tuple(m for file in _files() for m in vars(file).values() if isinstance(m, Metric))


def numbers_of(row: type[Any]) -> tuple[Number, ...]:
    """The numbers of a kind of row, in the order of their columns."""
    return tuple(n for file in _files() for n in getattr(file, "NUMBERS", ()) if n.of is row)


@cache
def _files() -> list[ModuleType]:
    package = __name__.rpartition(".")[0]
    found = pkgutil.iter_modules(import_module(package).__path__, package + ".")
    names = sorted(module.name for module in found if module.name.endswith("_metrics"))
    return [import_module(name) for name in names]


def named(row: Where) -> str:
    """How a message names a layer, with what feeds it: "`act` (relu, fed by `fc`)"."""
    kind: str = "" if row.layer.endswith("()") else getattr(row, "kind", "")
    fed_by: str = getattr(row, "fed_by", "")
    source = f"fed by `{fed_by}`" if fed_by and fed_by != row.layer else ""
    about = ", ".join(filter(None, (kind, source)))
    return f"{named_alone(row)} ({about})" if about else named_alone(row)


def named_alone(row: Where) -> str:
    """The name of a layer, with its call where it is not the first: "`act` (call 2)"."""
    name = f"`{row.layer}`" if row.layer else "the model"
    if row.layer.endswith("()"):  # a function, called by the module before it
        module, _, function = row.layer.rpartition(".")
        name = f"`{module}` -> {function[:-2]}" if module else f"{function[:-2]}"
    return f"{name} (call {row.call + 1})" if row.call else name


def on_flat_noise(a: ActivationStats, result: ProbeResult) -> bool:
    """After a global pooling of random noise, all samples are nearly the same."""
    return a.pooled and result.source == "synthetic"
