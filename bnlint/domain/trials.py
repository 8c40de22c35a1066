"""What the extra passes of a probe found: the same model run again, in part or on other samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnlint.domain.graph import Location


@dataclass(frozen=True, slots=True)
class CallSite:
    """A place in the forward: the running layer, the function, and the user's line.

    ``order`` counts the calls of a forward.
    """

    layer: str
    function: str = ""
    location: Location | None = None
    order: int = 0
    call: int = 0


@dataclass(frozen=True, slots=True)
class Parting:
    """How far the outputs of two runs differ, over their spread, and where they first do.

    ``sequence`` is true if dimension 0 may be a sequence rather than the batch.
    """

    change: float
    at: CallSite | None = None
    sequence: bool = False


@dataclass(frozen=True, slots=True)
class InputStats:
    """One tensor that entered the model.

    ``mean``, ``std`` and ``finite`` are of its values, None for integers. ``reached`` are mean and
    deviation of what enters the first conv/linear layer. ``unread`` is the share of its features
    (channels) that no output depends on, None where that was not tried. ``constant`` is the share
    of its features that are the same in all samples.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    mean: float | None = None
    std: float | None = None
    finite: bool = True
    reached: tuple[float, float] | None = None
    convolved: bool = False
    unread: float | None = None
    constant: float | None = None


@dataclass(frozen=True, slots=True)
class OutputStats:
    """One floating-point tensor that the model returned; ``bounded`` if all of it is in 0 .. 1.

    ``signal`` is the spread between samples over the root mean square; None if all is zero.
    """

    name: str
    shape: tuple[int, ...]
    mean: float
    std: float
    finite: bool = True
    bounded: bool = False
    signal: float | None = None


@dataclass(frozen=True, slots=True)
class NotFinite:
    """Where inf or nan comes from: a ``parameter``, an ``input``, an ``operation``, a ``gradient``.

    ``name`` is that of the parameter, the input or the function.
    """

    kind: str
    name: str
    value: str = "nan"
    at: CallSite | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """The targets that were given, against the outputs; ``wrong`` says why they do not fit.

    ``doubled`` says what the loss applies to the outputs although the model has done so.
    """

    classes: int
    lowest: float
    highest: float
    wrong: str = ""
    doubled: str = ""


@dataclass(frozen=True, slots=True)
class Alone:
    """A single sample in eval mode: the error it raises, or the shapes for one and for three."""

    error: str = ""
    one: tuple[int, ...] = ()
    three: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trials:
    """What each extra pass found; None or empty where it was not made or all is well.

    ``cut`` are trainable parameters without a gradient, ``silent`` those whose gradient is exactly
    zero. ``twice`` are norms that count a batch in the backward too, ``moving`` frozen norms whose
    statistics move, each with its order. ``first_evaluation`` is the ratio of the outputs before
    and after one training forward. ``initial_loss`` is a cross-entropy, with the number of classes.
    ``frozen_end`` is a frozen output layer, ``switched`` how many parameters ``train()`` froze or
    thawed. ``closed`` is true if branches start closed (LayerScale, ReZero). ``seconds`` says what
    each trial took.
    """

    leak: Parting | None = None
    random: Parting | None = None
    first_evaluation: float | None = None
    first_evaluation_at: CallSite | None = None
    not_finite: NotFinite | None = None
    cut: tuple[CallSite, ...] = ()
    trainable: int = 0
    silent: tuple[CallSite, ...] = ()
    twice: tuple[CallSite, ...] = ()
    moving: tuple[CallSite, ...] = ()
    alone: Alone | None = None
    labels: Labels | None = None
    initial_loss: tuple[float, int] | None = None
    frozen_end: CallSite | None = None
    switched: int = 0
    closed: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)
