"""What bnlint says: findings about models, problems with checking, and the report of both."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bnlint.domain.graph import Location, ModelGraph, ModelRef, Trace, TrainingCode, Value
from bnlint.domain.model_cost import ModelCost


class Severity(enum.Enum):
    """How severe a finding is; compare with :meth:`at_least`."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for error, 1 for warning, 2 for info."""
        return list(Severity).index(self)

    def at_least(self, other: Severity) -> bool:
        """True when this is as severe as ``other`` or more."""
        return self.rank <= other.rank


@dataclass(frozen=True, slots=True)
class Related:
    """Another layer that a finding involves."""

    layer: str
    location: Location | None
    message: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of ``location`` (with its ends set) by ``replacement``."""

    location: Location
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """Proved source edits; ``safety`` is safe or unsafe."""

    message: str
    safety: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a rule proposes, resolved to layers: not yet an edit, not yet proved.

    ``action`` is the name of one of those in ``bnlint.edits``; ``layers`` maps the roles
    the action names to layers, ``ops`` to ids of ops (a registered module that is no op has none),
    ``arguments`` holds its values.
    """

    action: str
    safety: str
    layers: Mapping[str, str]
    arguments: Mapping[str, Value] = field(default_factory=dict)
    ops: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measurement of the probe that supports or weakens a finding; values by metric name."""

    summary: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurable:
    """Which measurement of the probe (``domain.rule.MEASURES``) bears a finding out.

    It is taken on the first of ``calls`` that was measured: a layer and the number of its call in
    one forward, from 0.
    """

    measure: str
    calls: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that fired. ``count`` is the number of layers that one construction line builds.

    ``also`` names the others of them, each by its model and its layer. ``guessed`` is true if the
    model was built with guessed arguments.
    ``anchors`` are the other lines at which a suppression comment counts: where the layer is
    called, and where the model is defined. ``measurable`` says what the probe can measure for it.
    """

    rule: str
    name: str
    severity: Severity
    message: str
    location: Location
    model: str
    layer: str
    related: tuple[Related, ...] = ()
    count: int = 1
    fingerprint: str = ""
    remedy: Remedy | None = None
    fix: Fix | None = None
    evidence: Evidence | None = None
    anchors: tuple[Location, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    measurable: Measurable | None = None
    guessed: bool = False


class ProblemKind(enum.Enum):
    """Why something could not be checked."""

    IMPORT_FAILED = "import-failed"
    SYNTAX_ERROR = "syntax-error"
    NOT_FOUND = "not-found"
    UNREADABLE = "unreadable"
    NO_MODEL = "no-model"
    NOT_BUILT = "not-built"
    PART = "part"
    UNTRACEABLE = "untraceable"
    OPAQUE_PART = "opaque-part"
    STUBBED_IMPORT = "stubbed-import"
    SKIPPED_CODE = "skipped-code"
    WEIGHTS = "weights"
    BAD_INPUT = "bad-input"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASH = "crash"
    EXIT = "exit"
    DOWNLOAD = "download"
    BASELINE = "baseline"
    CONFIG = "config"


MISSED = frozenset({ProblemKind.NOT_BUILT, ProblemKind.UNTRACEABLE})
"""Problems of models of which nothing, or next to nothing, was checked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something bnlint could not check, where, why and what would help; never a finding.

    ``blocking`` is true when nothing of the file could be checked; a file named by hand with a
    blocking problem ends the run with exit code 2. In a notebook, ``line`` is that of the ``cell``.
    ``names`` are the packages or weights that it is about, so that files can be told of together.
    """

    kind: ProblemKind
    file: str
    message: str
    hint: str = ""
    line: int = 0
    model: str = ""
    blocking: bool = False
    cell: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One checked model in a report."""

    ref: ModelRef
    trace: Trace
    ops: int
    batchnorms: int
    parameters: int
    training: TrainingCode = field(default_factory=TrainingCode)
    cost: ModelCost | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rule that met an unknown fact: how often, and which fact."""

    rule: str
    count: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedFix:
    """A fix that is not offered, for which finding, and why."""

    rule: str
    layer: str
    location: Location
    reason: str


@dataclass(frozen=True)
class Report:
    """The result of a run, in a total order that does not depend on scheduling.

    ``files`` counts the files looked at, ``skipped`` those without any model. ``durations`` holds
    seconds by step. ``torch`` is the version that traced, empty when nothing needed torch.
    ``by_hand`` holds the files the user named one by one, as problems spell them.
    ``models`` are those that were checked, ``missed`` those that were built, but could not be
    traced; problems say why.
    ``suppressed``, ``baselined`` and ``unchanged`` count findings that are hidden by comments, by
    the baseline, and because they are not on changed lines.
    ``refused_fixes`` are set by a run that looked for fixes, ``graphs`` if an output draws them;
    their paths are absolute except for the model's file.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    models: tuple[ModelSummary, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    suppressed: int = 0
    baselined: int = 0
    files: int = 0
    skipped: int = 0
    torch: str = ""
    durations: Mapping[str, float] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()
    refused_fixes: tuple[RefusedFix, ...] = ()
    unchanged: int = 0
    graphs: tuple[ModelGraph, ...] = field(default=(), repr=False)
    missed: tuple[ModelSummary, ...] = ()

    def not_checked(self) -> tuple[Problem, ...]:
        """The problems of files and models that were not checked."""
        return tuple(p for p in self.problems if p.blocking or p.kind in MISSED)

    def unchecked(self) -> tuple[Problem, ...]:
        """The problems that kept a file named by hand from being checked at all."""
        return tuple(p for p in self.problems if p.blocking and p.file in self.by_hand)

    def worst(self) -> Severity | None:
        """The highest severity among the findings, or None when there are none."""
        return min((f.severity for f in self.findings), key=lambda s: s.rank, default=None)


class Marked(NamedTuple):
    """A number that is a fault, and how grave: error or warning."""

    value: str | float
    style: str


Cell = str | float | Marked | None
"""A cell of a page's table: text, a share from 0 to 1 that is drawn as a bar, or nothing."""


class PageTable(NamedTuple):
    """A table of a page: rows of cells under the names of their columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Picture(NamedTuple):
    """A picture as the text of an SVG element."""

    title: str
    svg: str


class Section(NamedTuple):
    """A chapter of a page beside the findings: text, pictures and tables."""

    title: str
    lines: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[PageTable, ...] = ()
