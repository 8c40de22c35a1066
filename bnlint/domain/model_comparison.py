"""What a change did to a model: four answers and a verdict, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bnlint.domain.finding import Finding, Problem
from bnlint.domain.graph import Location, ModelGraph, Shape, Value
from bnlint.domain.model_cost import ModelCost

IDENTICAL, SAME_FUNCTION, CHANGED = "identical", "same-function", "changed"
ADDED, REMOVED, NOT_COMPARED = "added", "removed", "not-compared"

WORKING_TREE, INDEX = "working tree", "index"
"""How the two sides of a comparison that are no commits are called."""


OTHER_ORDER = (
    "random numbers are drawn in another order; with numbers that don't depend on the order, the "
    "outputs are equal"
)
"""Why equal outputs have a reason: the draws of dropout and the like."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A key of the old model and its key in the new one."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A key that both models have with different shapes."""

    key: str
    old: Shape
    new: Shape


@dataclass(frozen=True, slots=True)
class CheckpointAnswer:
    """Whether the new model loads the weights of the old one; None if that was not tried.

    ``missing`` and ``unexpected`` leave out what ``renamed`` pairs.
    """

    loads: bool | None = None
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[Reshaped, ...] = ()
    renamed: tuple[Renamed, ...] = ()
    loads_with_renames: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first layer whose output differs, and its line in the new file."""

    layer: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class FunctionAnswer:
    """Whether the same weights and inputs give the same outputs, as far as that was run.

    ``max_difference`` is relative to the largest output, by mode. ``equal`` is None if nothing was
    compared; ``exact`` is true if not even rounding differs. ``reason`` says why nothing was
    compared, or what else differs.
    """

    compared: bool = False
    equal: bool | None = None
    exact: bool = False
    max_difference: Mapping[str, float] = field(default_factory=dict)
    first_difference: FirstDifference | None = None
    reason: str = ""
    tolerance: float | None = None
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer or operation that was added, removed or moved, or a setting of it that changed.

    ``count`` is the number of layers that the same line builds with the same change; ``detail``
    says what it is, or where it was.
    """

    layer: str
    kind: str = ""
    location: Location | None = None
    setting: str = ""
    old: Value = None
    new: Value = None
    detail: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class GraphAnswer:
    """The layers and operations that differ; ``complete`` if both graphs were traced whole."""

    added: tuple[LayerChange, ...] = ()
    removed: tuple[LayerChange, ...] = ()
    moved: tuple[LayerChange, ...] = ()
    changed: tuple[LayerChange, ...] = ()
    complete: bool = True

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.moved or self.changed)


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of the two models: where it comes from, its file and its name."""

    revision: str
    file: str
    model: str


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """What a change did to one model.

    ``old`` is None for an added model, ``new`` for a removed one. ``graphs`` are kept for the page,
    with the ``pairs`` of their operations by id, and the sign (``+``, ``-``, ``~``, ``>``) of those
    that changed.
    """

    file: str
    model: str
    verdict: str
    old: ComparedSide | None = None
    new: ComparedSide | None = None
    checkpoint: CheckpointAnswer | None = None
    function: FunctionAnswer | None = None
    graph: GraphAnswer | None = None
    cost: tuple[ModelCost | None, ModelCost | None] = (None, None)
    new_findings: tuple[Finding, ...] = ()
    gone_findings: tuple[Finding, ...] = ()
    reason: str = ""
    graphs: tuple[ModelGraph | None, ModelGraph | None] = field(default=(None, None), repr=False)
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    signs: tuple[Mapping[str, str], Mapping[str, str]] = field(default=({}, {}), repr=False)

    @property
    def key_map(self) -> dict[str, str]:
        """The new keys by the old ones, of all that was renamed."""
        return {r.old: r.new for r in self.checkpoint.renamed} if self.checkpoint else {}


@dataclass(frozen=True, slots=True)
class ComparisonReport:
    """All models that a change touches, and what could not be compared at all."""

    comparisons: tuple[ModelComparison, ...] = ()
    problems: tuple[Problem, ...] = ()
    torch: str = ""
    old: str = ""
    new: str = ""
