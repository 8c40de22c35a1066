"""What is wrong before the model runs: inputs, labels, weights; and the scale they lead to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.trials import InputStats, NotFinite
from bnlint.probing.judging.metric import (
    BACKWARD,
    SIGNAL,
    Number,
    Verdict,
    metric,
    named,
)

NUMBERS: tuple[Number, ...] = ()

LARGE = 10.0
"""A mean or deviation of an input above this is unusual: 0 to 255 has a deviation of 70."""

CHANNELS = (1, 3, 4)
"""Grey, RGB and RGBA."""


@metric(
    "input-layout",
    Severity.WARNING,
    definition="a batch of four dimensions whose last has 1, 3 or 4 entries and whose second has "
    "not: channels last",
    default="any such batch that reaches a convolution as it is; synthetic inputs are not judged; "
    "an error if the forward fails",
    begins="data",
    leads_to=(*SIGNAL, *BACKWARD, "unread-features"),
    why="torch takes dimension 1 for the channels: rows of pixels are mixed like colors.",
    remedy="Pass images as (N, C, H, W): x.permute(0, 3, 1, 2)",
    source="torch.nn.Conv2d",
)
def _input_layout(result: ProbeResult) -> Iterator[Verdict]:
    failed = not (result.activations or result.norms or result.kernels)
    for given in _given(result):
        shape = given.shape
        if _is_swapped(shape) and (failed or (given.convolved and shape[1] == shape[2])):
            yield Verdict(
                None,
                Severity.ERROR if failed else Severity.WARNING,
                f"The batch has the shape {shape}, which looks like images with the channels last",
                {"shape": shape},
            )


def _is_swapped(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] in CHANNELS and min(shape[1:3]) > max(CHANNELS)


@metric(
    "input-scale",
    Severity.WARNING,
    definition="mean and standard deviation of each floating-point input, where the first "
    "conv/linear layer reads it as it is",
    default="either over 10, or a deviation of 0; synthetic inputs are not judged",
    begins="data",
    leads_to=(*SIGNAL, *BACKWARD),
    why="Initial weights and learning rates are made for inputs with a mean near 0 and a deviation "
    "near 1.",
    remedy="Scale the data: x / 255 for images, else (x - mean) / std of the training set",
    source="LeCun et al. 1998, Efficient BackProp",
)
def _input_scale(result: ProbeResult) -> Iterator[Verdict]:
    for given in _given(result):
        mean, std = given.reached or (given.mean, given.std)
        if given.mean is None or given.std is None or mean is None or std is None:
            continue
        constant = given.std == 0 and math.prod(given.shape[1:]) > 1
        large = max(abs(given.mean), given.std) > LARGE and max(abs(mean), std) > LARGE
        if constant or (large and given.reached is not None):
            what = "is constant" if constant else "is not scaled"
            yield Verdict(
                None,
                Severity.WARNING,
                f"The {given.name} {what}: it has mean {given.mean:.3g} and standard deviation "
                f"{given.std:.3g}",
                {"mean": given.mean, "std": given.std},
                "Check how the data is loaded" if constant else "",
            )


def _given(result: ProbeResult) -> tuple[InputStats, ...]:
    return () if result.source == "synthetic" else result.inputs


@metric(
    "non-finite",
    Severity.ERROR,
    definition="inf or nan in a weight, an input, a pre-activation, the output or a gradient; "
    "named is the first operation that makes it of finite values",
    default="any",
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
    "outputs-against-labels",
    Severity.ERROR,
    definition="class indices against the number of outputs, and the type of the targets against "
    "what cross-entropy takes; real data only",
    default="an index at or beyond the number of outputs, or below 0; float targets of another "
    "shape than the outputs",
    begins="data",
    leads_to=("initial-loss",),
    why="The loss raises an error, on a GPU one that names another line, or it is always zero.",
    remedy="Set the number of outputs to the largest class + 1, or count the classes from 0",
    source="torch.nn.CrossEntropyLoss",
)
def _labels(result: ProbeResult) -> Iterator[Verdict]:
    labels = result.trials.labels
    if labels is not None and labels.wrong and result.source != "synthetic":
        said = labels.wrong[:1].upper() + labels.wrong[1:]
        yield Verdict(
            None,
            Severity.ERROR,
            said,
            {"classes": labels.classes, "lowest": labels.lowest, "highest": labels.highest},
        )


@metric(
    "scale",
    Severity.ERROR,
    definition="standard deviation of what enters each activation, and of the outputs, over that "
    "of the input; and norm(gradient) / norm(weight) of all layers",
    default="under 1e-4 or over 1e3 a warning, under 1e-8 or over 1e6 an error; gradient over "
    "weight under 1e-6 at every layer",
    leads_to=(*SIGNAL, *BACKWARD, "non-finite"),
    why="Very small signals drown in the biases and in eps, very large ones saturate and overflow; "
    "gradients and steps have the wrong scale.",
    remedy="Use an initialization that fits the activation (kaiming_normal_, xavier_normal_), or a "
    "norm",
    source="He et al. 2015, arXiv:1502.01852; thresholds from own measurements on healthy nets",
)
def _scale(result: ProbeResult) -> Iterator[Verdict]:
    """Names the first layer where the scale leaves the range."""
    base = next((i.std for i in result.inputs if i.std), 1.0)
    rows = [(a, a.std / base) for a in result.activations if a.finite and a.std > 0]
    out = [(a, r) for a, r in rows if not 1e-4 <= r <= 1e3 and not a.is_gate]
    if out:
        worst = max((r for _, r in out), key=lambda r: abs(math.log10(r)))
        yield _out_of_scale(out[0][0], f"What enters {named(out[0][0])}", out[0][1], worst)
        return
    for given in result.outputs:
        ratio = given.std / base
        outside = ratio > 1e3 or (0 < ratio < 1e-4 and not given.bounded)
        if given.finite and outside:
            yield _out_of_scale(None, f"The {given.name}", ratio, ratio)
            return
    yield from _tiny_gradients(result)


def _out_of_scale(at: object, what: str, ratio: float, worst: float) -> Verdict:
    grave = worst < 1e-8 or worst > 1e6
    direction = "shrinks" if ratio < 1 else "grows"
    further = f", and to {worst:.1e} further on" if worst != ratio else ""
    return Verdict(
        at,  # type: ignore[arg-type]
        Severity.ERROR if grave else Severity.WARNING,
        f"{what} {direction} to {ratio:.1e} of the input's standard deviation{further}",
        {"ratio": ratio, "worst": worst},
    )


def _tiny_gradients(result: ProbeResult) -> Iterator[Verdict]:
    ratios = [(k, k.ratio) for k in result.kernels if k.ratio]
    learned = result.loss is None or abs(result.loss) < 0.05
    if ratios and not learned and all(r < 1e-6 for _, r in ratios):
        first, ratio = max(ratios, key=lambda pair: pair[1])
        yield Verdict(
            first,
            Severity.WARNING,
            f"The gradient is under {ratio:.1e} of the weight at every layer",
            {"ratio": ratio},
        )


@metric(
    "initial-loss",
    Severity.WARNING,
    definition="cross-entropy of the outputs of a model with its initial weights, over ln(number "
    "of classes), which is that of a uniform guess",
    default="over 2, for a model that the probe built itself",
    begins="backward",
    why="The first steps of the training only unlearn the initial weights.",
    remedy="Make the initial outputs small: a smaller gain in the last layer, a norm before it, "
    "or for tied embeddings a standard deviation of 0.02",
    source="Karpathy 2019, A Recipe for Training Neural Networks: verify loss at init",
)
def _initial_loss(result: ProbeResult) -> Iterator[Verdict]:
    found = result.trials.initial_loss
    trained = any((n.tracked or 0) > 0 for n in result.norms)
    if found is None or not result.untrained or trained:
        return
    loss, classes = found
    guess = math.log(classes)
    if math.isfinite(loss) and loss > 2 * guess:
        yield Verdict(
            None,
            Severity.WARNING,
            f"The first cross-entropy is {loss:.3g}, while a uniform guess among {classes} classes "
            f"has ln({classes}) = {guess:.3g}",
            {"loss": loss, "uniform": guess},
        )


@metric(
    "unread-features",
    Severity.WARNING,
    definition="share of the features (channels) of an input that no output depends on: their "
    "gradient is exactly 0 in all samples; integer inputs are exchanged between samples",
    default="a quarter or more",
    begins="backward",
    why="The model cannot use what it never reads.",
    remedy="Look for a slice that is used twice (x[:, :16] and x[:, :16]), or an input that is "
    "overwritten",
    source="exact: the derivative of a random projection of the outputs",
)
def _unread_features(result: ProbeResult) -> Iterator[Verdict]:
    for given in result.inputs:
        if given.unread is not None and given.unread >= 0.25 and math.prod(given.shape[1:]) > 1:
            yield Verdict(
                None,
                Severity.WARNING,
                f"{percent(given.unread)} of the features of the {given.name} "
                f"{given.shape} never reach an output",
                {"unread": given.unread},
            )
