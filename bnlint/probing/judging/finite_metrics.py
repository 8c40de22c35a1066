"""What is inf or nan, where that begins, and what is close to overflowing."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.domain.trials import NotFinite
from bnlint.probing.judging.metric import BACKWARD, SIGNAL, Verdict, metric, named

HALF_MAX = 65504.0
"""The largest finite float16."""


@metric(
    "non-finite",
    Severity.ERROR,
    definition="inf or nan in a weight, an input, a pre-activation, the output or a gradient; "
    "the finding names the first operation that turns finite values into it",
    default="in every case",
    leads_to=(*SIGNAL, *BACKWARD, "non-finite", "input-scale", "unread-features"),
    why="inf and nan spread to all weights with the next step.",
    remedy="Keep its input in range: add eps before a division, clamp before log and sqrt, use "
    "log_softmax",
    source="IEEE 754",
)
def _non_finite(result: ProbeResult) -> Iterator[Verdict]:
    """An error where it began: the operation, else the first layer forward, the last backward."""
    origin = result.trials.not_finite
    if origin is not None:
        yield _origin(origin)
        return
    forward = [a for a in result.activations if not a.finite]
    backward = [a for a in result.activations if not a.gradient_finite]
    where, what = (forward[0], "What enters") if forward else (None, "")
    if where is None and backward:
        where, what = backward[-1], "The gradient at"
    if where is not None:
        count = len(forward or backward)
        yield Verdict(
            where,
            Severity.ERROR,
            f"{what} {named(where)} holds inf or nan (the first of {count} such activations)",
            {"layers": count, "largest": where.largest},
        )


def _origin(origin: NotFinite) -> Verdict:
    said, remedy = {
        "parameter": (
            f"`{origin.name}` holds {origin.value}",
            "Load or initialize the weights again, and look at the last steps of the training",
        ),
        "input": (f"The {origin.name} holds {origin.value}", "Clean the data"),
        "operation": (
            f"{_function(origin)} makes {origin.value} of finite values",
            _REMEDIES.get(origin.name, ""),
        ),
        "gradient": (
            f"The gradient of {_function(origin)} is {origin.value}, although the forward is "
            "finite",
            "Keep its input away from where its slope is infinite: sqrt and norm at 0 need eps",
        ),
        "loss": (
            f"The loss is {origin.value} although the outputs are finite",
            "Check the targets",
        ),
    }[origin.kind]
    return Verdict(origin.at, Severity.ERROR, said, {"value": origin.value}, remedy)


def _function(origin: NotFinite) -> str:
    at = origin.at
    inside = f" in `{at.layer}`" if at is not None and at.layer else ""
    line = f" at line {at.location.line}" if at is not None and at.location is not None else ""
    return f"`{origin.name}`{inside}{line}"


_REMEDIES = {
    "log": "Clamp or add eps before the logarithm, or use log_softmax or logsigmoid",
    "div": "Add eps to the divisor",
    "sqrt": "Clamp at 0 and add eps before the root",
    "exp": "Subtract the largest value first, or use softmax",
    "softmax": "A row is masked as a whole: leave one entry, or give such rows zeros afterwards",
}


@metric(
    "half-headroom",
    Severity.ERROR,
    definition="65504 divided by the largest absolute pre-activation; only for float16",
    default="under 8: warning; 1 or less: error",
    why="A slightly larger input overflows to inf.",
    remedy="Use bfloat16, or scale the signal down.",
    source="the largest finite float16, IEEE 754",
)
def _half_headroom(result: ProbeResult) -> Iterator[Verdict]:
    for a in result.activations:
        if a.dtype != "float16" or a.largest <= 0:
            continue
        headroom = HALF_MAX / a.largest if a.finite else 0.0
        if headroom < 8:
            yield Verdict(
                a,
                Severity.ERROR if headroom <= 1 else Severity.WARNING,
                f"What enters {named(a)} reaches {a.largest:.3g}: float16 ends at 65504, a factor "
                f"of {headroom:.2g} away",
                {"headroom": headroom, "largest": a.largest},
            )
