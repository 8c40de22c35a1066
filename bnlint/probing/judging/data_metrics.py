"""What is wrong before the model runs: inputs, labels, weights; and the scale they lead to."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.phrases import percent
from bnlint.domain.probe import ProbeResult
from bnlint.domain.trials import InputStats
from bnlint.probing.judging.metric import BACKWARD, SIGNAL, Number, Verdict, metric

NUMBERS: tuple[Number, ...] = ()

LARGE = 10.0
"""A mean or deviation of an input above this is unusual: 0 to 255 has a deviation of 70."""

SMALL = 1e-3
"""An input of which mean and deviation are below this drowns in the first biases."""

CHANNELS = (1, 3, 4)
"""Grey, RGB and RGBA."""


@metric(
    "input-layout",
    Severity.WARNING,
    definition="a batch of 4 dimensions whose last has size 1, 3 or 4 and whose second has not: "
    "channels last",
    default="if a convolution reads such a batch as it is; synthetic inputs are not judged; an "
    "error if the forward fails",
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
    default="if either is over 10, both are under 1e-3, or all samples are the same; 25 % of the "
    "columns of a table the same in all samples: info; synthetic inputs are not judged",
    begins="data",
    leads_to=(*SIGNAL, *BACKWARD),
    why="Initial weights and learning rates are made for inputs with a mean near 0 and a standard "
    "deviation near 1.",
    remedy="Scale the data: x / 255 for images, else (x - mean) / std of the training set",
    source="LeCun et al. 1998, Efficient BackProp",
)
def _input_scale(result: ProbeResult) -> Iterator[Verdict]:
    given = _given(result)
    features = [i for i in given if i.constant is not None and math.prod(i.shape[1:]) > 1]
    if features and all(i.constant == 1 for i in features):
        yield _all_the_same(features[0])
        return
    for one in given:
        yield from _unscaled(one)
        yield from _partly_constant(one)


def _all_the_same(given: InputStats) -> Verdict:
    return Verdict(
        None,
        Severity.WARNING,
        f"The {given.name} is constant: all samples are the same",
        {"mean": given.mean, "std": given.std},
        "Check how the data is loaded",
    )


def _unscaled(given: InputStats) -> Iterator[Verdict]:
    if given.mean is None or given.std is None or given.reached is None:
        return
    size, reached = max(abs(given.mean), given.std), max(map(abs, given.reached))
    if min(size, reached) > LARGE or 0 < max(size, reached) < SMALL:
        yield Verdict(
            None,
            Severity.WARNING,
            f"The {given.name} is not scaled: it has mean {given.mean:.3g} and standard deviation "
            f"{given.std:.3g}",
            {"mean": given.mean, "std": given.std},
        )


def _partly_constant(given: InputStats) -> Iterator[Verdict]:
    """Columns of a table; images have borders that are the same in all of them."""
    share = given.constant or 0.0
    if len(given.shape) == 2 and given.mean is not None and 0.25 <= share < 1:
        yield Verdict(
            None,
            Severity.INFO,
            f"{percent(share)} of the features of the {given.name} {given.shape} are the same in "
            "all samples",
            {"constant": share},
            "Check how the data is loaded, or leave them out",
        )


def _given(result: ProbeResult) -> tuple[InputStats, ...]:
    return () if result.source == "synthetic" else result.inputs


@metric(
    "outputs-against-labels",
    Severity.ERROR,
    definition="class indices against the number of outputs, and type and shape of the targets "
    "against what torch's losses take; real data only",
    default="for an index below 0 or not below the number of outputs; for float targets of another "
    "shape than the outputs; a column of targets for cross-entropy; outputs (N, 1) and "
    "targets (N,) that a distance broadcasts to (N, N)",
    begins="data",
    leads_to=("initial-loss",),
    why="The loss raises an error, on a GPU one that names another line, or it is always zero.",
    remedy="Set the number of outputs to the largest class + 1, or count the classes from 0",
    source="torch.nn.CrossEntropyLoss",
)
def _labels(result: ProbeResult) -> Iterator[Verdict]:
    labels = result.trials.labels
    if labels is not None and labels.wrong and result.source != "synthetic":
        yield Verdict(
            None,
            Severity.ERROR,
            _sentence(labels.wrong),
            {"classes": labels.classes, "lowest": labels.lowest, "highest": labels.highest},
        )


@metric(
    "outputs-against-loss",
    Severity.WARNING,
    definition="what torch's losses get when the loss runs: whether it has passed the softmax or "
    "sigmoid that they apply themselves, or lacks the log_softmax that nll_loss expects",
    default="any such call of cross_entropy, binary_cross_entropy_with_logits or nll_loss",
    begins="backward",
    why="The second softmax flattens the probabilities: the gradient is small, and the loss cannot "
    "come near zero.",
    remedy="Return scores, and leave softmax or sigmoid to the loss; apply it for predictions only",
    source="torch.nn.CrossEntropyLoss, torch.nn.BCEWithLogitsLoss, torch.nn.NLLLoss",
)
def _loss(result: ProbeResult) -> Iterator[Verdict]:
    labels = result.trials.labels
    if labels is not None and labels.doubled:
        remedy = "" if "itself" in labels.doubled else "Apply what it takes to the outputs"
        yield Verdict(None, Severity.WARNING, _sentence(labels.doubled), {}, remedy)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


@metric(
    "initial-loss",
    Severity.WARNING,
    definition="cross-entropy of the outputs of a model with its initial weights, divided by "
    "ln(number of classes), the loss of a uniform guess",
    default="over 2, for a model that the probe built itself; over 10 for any other, if the "
    "classes are given",
    begins="backward",
    leads_to=("gradient-explosion",),
    why="The first steps of the training only unlearn the initial weights.",
    remedy="Make the initial outputs small: a smaller gain in the last layer, a norm before it, "
    "or for tied embeddings a standard deviation of 0.02",
    source="Karpathy 2019, A Recipe for Training Neural Networks: verify loss at init",
)
def _initial_loss(result: ProbeResult) -> Iterator[Verdict]:
    found = result.trials.initial_loss
    if found is None:
        return
    loss, classes = found
    guess = math.log(classes)
    if math.isfinite(loss) and loss > _most(result) * guess:
        yield Verdict(
            None,
            Severity.WARNING,
            f"The {'first ' * _is_initial(result)}cross-entropy is {loss:.3g}, while a uniform "
            f"guess among {classes} classes has ln({classes}) = {guess:.3g}",
            {"loss": loss, "uniform": guess},
        )


def _is_initial(result: ProbeResult) -> bool:
    return result.untrained and not any((n.tracked or 0) > 0 for n in result.norms)


def _most(result: ProbeResult) -> float:
    """The most times of a uniform guess that the loss may be: trained nets err with confidence."""
    if _is_initial(result):
        return 2.0
    labels = result.trials.labels
    return 10.0 if labels is not None and labels.classes and not labels.wrong else math.inf


@metric(
    "unread-features",
    Severity.WARNING,
    definition="share of the features (channels) of an input that no output depends on: their "
    "gradient is exactly 0 in all samples; for integer inputs, swapping them "
    "between samples changes nothing",
    default="25 % or more",
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
