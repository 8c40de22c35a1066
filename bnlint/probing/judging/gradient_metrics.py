"""What goes wrong with scale: gradients that vanish or explode, values that leave their range."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import KernelStats, ends
from bnlint.probing.judging.metric import Number, Verdict, metric, named

GROWTH = 1.21
"""The factor by which one layer with batch norm multiplies the gradient at initialization."""

NUMBERS = (
    Number(KernelStats, "weight_norm", "Euclidean norm of the weight", page="norm of weight"),
    Number(KernelStats, "gradient", "Euclidean norm of its gradient", page="norm of gradient"),
    Number(KernelStats, "ratio", "gradient / weight_norm", page="gradient over weight"),
    Number(
        KernelStats,
        "sensitivity",
        "gradient x weight_norm: what a relative change of the weight does to the loss",
        page="gradient times weight",
    ),
)

RATIO = (
    "norm(gradient) x norm(weight) of the first conv/linear layer, divided by that of the last: "
    "how much a relative change of the weights changes the loss, whatever their scale (of layers "
    "that read the same tensor, such as query, key and value, the largest counts)"
)


@metric(
    "gradient-vanishing",
    Severity.ERROR,
    definition=RATIO,
    default="under 1e-3: warning; under 1e-6 or exactly 0: error; info where branches start closed "
    "(LayerScale, ReZero); error if all weights get a gradient of zero",
    begins="backward",
    why="The first layers hardly change in training.",
    remedy="Use norms, skip connections, or an initialization that fits the activation.",
    source="Glorot and Bengio 2010; thresholds from own measurements on healthy nets",
)
def _gradient_vanishing(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.sensitivity_ratio
    zero = _closed_for_good(result)
    if zero is not None:
        yield zero
    if found is None or ratio is None or not ratio < 1e-3:
        return
    first, last = found
    closed = result.trials.closed  # by design, and they open
    exactly = " (exactly zero)" if ratio == 0 else ""
    yield Verdict(
        first,
        Severity.INFO if closed else Severity.ERROR if ratio < 1e-6 else Severity.WARNING,
        f"The gradient vanishes on its way back from `{last.layer}` to `{first.layer}`: a relative "
        f"change of the weights there has {ratio:.1e} of the effect{exactly}",
        {"ratio": ratio, "first": first.ratio, "last": last.ratio},
    )


def _closed_for_good(result: ProbeResult) -> Verdict | None:
    """Two layers that start at zero, one behind the other: neither gets a gradient, ever."""
    trained = [k for k in result.kernels if k.trainable and k.gradient is not None]
    zero = [k for k in trained if k.weight_norm == 0]
    if len(zero) < 2 or any(k.gradient for k in trained):
        return None
    return Verdict(
        zero[0],
        Severity.ERROR,
        f"The gradient of every weight is exactly zero: {named(zero[0])} and `{zero[-1].layer}` "
        "both start at zero, so neither passes a gradient to the other",
        {"layers": len(zero)},
        "Draw the weights at random; only the last layer of a branch may start at zero",
        begin=zero[0].order,
    )


@metric(
    "gradient-explosion",
    Severity.WARNING,
    definition=RATIO,
    default="over 70; with batch norms at half of the activations or more, over 10 x 1.21^L for "
    "L layers",
    begins="backward",
    why="A learning rate that suits the last layers makes the first ones diverge.",
    remedy="Use a smaller learning rate, gradient clipping, or a smaller initialization.",
    source="Yang et al. 2019, A Mean Field Theory of Batch Normalization, arXiv:1902.08129",
)
def _gradient_explosion(result: ProbeResult) -> Iterator[Verdict]:
    found, ratio = ends(result.kernels), result.sensitivity_ratio
    if found is None or ratio is None or not ratio > limit(result):
        return
    first, last = found
    yield Verdict(
        first,
        Severity.WARNING,
        f"The gradient explodes on its way back from `{last.layer}` to `{first.layer}`: a relative "
        f"change of the weights there has {ratio:.3g} times the effect",
        {"ratio": ratio, "limit": limit(result)},
    )


def limit(result: ProbeResult) -> float:
    """The ratio above which growth is called an explosion: higher if batch norms explain some."""
    batch = sum(n.batch_statistics for n in result.norms)
    if 2 * batch < len(result.activations):
        return 70.0
    return max(70.0, 10 * GROWTH ** len(result.kernels))


@metric(
    "no-gradient",
    Severity.WARNING,
    definition="trainable parameters without a gradient after a backward through all outputs "
    "(torch returns None for them, not zero)",
    default="in every case",
    begins="forward",
    why="They never change in training, however long it takes.",
    remedy="Look for a result that nothing reads, .detach(), no_grad, argmax or numpy on the way; "
    "or set requires_grad=False if that is intended",
    source="torch.autograd.grad(allow_unused=True)",
)
def _no_gradient(result: ProbeResult) -> Iterator[Verdict]:
    cut, of = result.trials.cut, result.trials.trainable
    if not cut:
        return
    names = [f"{s.layer}.{s.function}" if s.layer else s.function for s in cut]
    shown = ", ".join(f"`{name}`" for name in names[:4])
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    yield Verdict(
        cut[0],
        Severity.ERROR if len(cut) == of else Severity.WARNING,
        f"{len(cut)} of {of} trainable parameters get no gradient: no output depends on {shown}"
        f"{more} through differentiable operations",
        {"parameters": len(cut), "trainable": of},
    )
