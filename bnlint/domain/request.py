"""What the host asks of a worker for one file, and what comes back; both cross a pipe as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bnlint.domain.finding import Problem
from bnlint.domain.graph import Location, ModelGraph, Shape


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input tensor as the user wrote it; ``name`` is empty for a positional one.

    ``dtype`` is a torch name without the prefix (``float32``, ``long``).
    """

    shape: Shape
    name: str = ""
    dtype: str = "float32"

    def written(self) -> str:
        """As a user writes it: ``1x3x224x224``, ``mask=8x16:bool``, ``scalar``."""
        name = f"{self.name}=" if self.name else ""
        dtype = "" if self.dtype == "float32" else f":{self.dtype}"
        return f"{name}{'x'.join(map(str, self.shape)) or 'scalar'}{dtype}"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model the user named: a call or a name in the file, and its inputs if declared."""

    call: str
    inputs: tuple[InputSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class Fold:
    """In one model, a layer whose bias was removed, and the norm whose running mean contains it."""

    model: str
    kernel: str
    norm: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Run the named models on the CPU with reproducible weights, instead of tracing them.

    Their results are written to the file ``store``; with ``against``, they are compared with those
    that an earlier trial of the same models wrote there before an edit.
    """

    store: str
    against: bool = False
    folds: tuple[Fold, ...] = ()


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The outcome of a trial of one model: ``ran``, ``equal``, ``different`` or ``impossible``.

    ``detail`` says why.
    """

    model: str
    verdict: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """One file (or installed module) to import, and the models to trace in it.

    ``path`` is absolute; locations in the answer use it. ``module`` names an installed module
    instead (``path`` is then empty). ``text``, if not None, replaces the content of the
    file (stdin, an unsaved editor buffer). ``models`` holds what was named after ``::`` and what
    the config declares; without any, models are discovered. ``inputs`` are for every model,
    ``inputs_of`` for those that are discovered with such a name.
    ``layers`` are the user's own rows of the layer table (name, kind). ``search`` are extra folders
    to import from. ``real_weights`` builds models of up to ``weight_limit`` parameters for real, so
    that initial values can be read. ``overlays`` are texts that replace the content of local files
    that the module imports, by absolute path.
    """

    path: str
    module: str = ""
    text: str | None = None
    models: tuple[ModelSpec, ...] = ()
    inputs: tuple[InputSpec, ...] = ()
    layers: tuple[tuple[str, str], ...] = ()
    search: tuple[str, ...] = ()
    real_weights: bool = False
    weight_limit: int = 50_000_000
    overlays: tuple[tuple[str, str], ...] = ()
    patience: float = 5.0
    inputs_of: tuple[ModelSpec, ...] = ()

    def inputs_for(self, *names: str) -> tuple[InputSpec, ...]:
        """The declared inputs of a discovered model that is known by these names."""
        own = (spec.inputs for spec in self.inputs_of if spec.call in names)
        return next(own, self.inputs)

    @property
    def name(self) -> str:
        """The path of the file, or the name of the module."""
        return self.path or self.module


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """One file to import, and the models of it to run instead of tracing them."""

    file: TraceRequest
    trial: Trial

    @property
    def name(self) -> str:
        """The path of the file, or the name of the module."""
        return self.file.name


KeyMap = tuple[tuple[str, str], ...]
"""Pairs of an old and a new key of the same state."""


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """One file to import, and a model of it to run as one side of a comparison.

    The old side comes first and writes its weights, inputs and results to the file ``store``; the
    new side (``against``) tries to load the old state, with each of the ``maps`` too, and compares
    its results. ``inputs`` are the calls to try, ``limit`` is the number of parameters up to which
    a model is run. ``arguments`` is the call that built the traced model, which may name what only
    its place in the source knows. ``checkpoint`` is a file whose state takes the place of the old
    model's.
    """

    file: TraceRequest
    store: str
    model: ModelSpec
    against: bool = False
    maps: tuple[KeyMap, ...] = ()
    inputs: tuple[tuple[InputSpec, ...], ...] = ()
    limit: int = 200_000_000
    arguments: str = ""
    checkpoint: str = ""

    @property
    def name(self) -> str:
        """The path of the file, or the name of the module."""
        return self.file.name


@dataclass(frozen=True, slots=True)
class LoadAttempt:
    """What ``load_state_dict`` said to the old state, with the keys renamed by one map.

    ``error`` is set where it raised something else than a difference of keys and shapes.
    """

    loads: bool
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    reshaped: tuple[tuple[str, Shape, Shape], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class ProofResult:
    """The outcome of one side; ``reason`` says why it did not run, or what else differs.

    ``keys`` are those of the checkpoint that was read. ``loads`` is without a map, ``mapped`` with
    each of them, ``chosen`` is the map that was run with, -1 for none. ``differences`` are relative
    to the largest output, by mode. ``elsewhere`` says how a larger input tells the models apart.
    """

    ran: bool
    reason: str = ""
    keys: tuple[tuple[str, Shape], ...] = ()
    loads: LoadAttempt | None = None
    mapped: tuple[LoadAttempt, ...] = ()
    chosen: int = -1
    equal: bool = False
    differences: Mapping[str, float] = field(default_factory=dict)
    first: str = ""
    line: Location | None = None
    dtype: str = ""
    tolerance: float = 0.0
    elsewhere: str = ""


FileRequest = TraceRequest | TrialRequest | ProofRequest
"""What has a :class:`TraceOutcome`."""


@dataclass(frozen=True, slots=True)
class Consulted:
    """What the code of a file looked at while it ran: the outcome holds as long as it is the same.

    ``files`` were opened, or tried to; of what is ``seen`` only the existence was asked, of what
    is ``measured`` also the size or the time; ``folders`` were listed.
    ``modules`` says which names were looked for in each folder of the search path, and which of
    them the folder had. ``variables`` are the environment variables that were read. ``all`` is
    false if there were too many to list, or a program was started, which may read anything.
    """

    files: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    modules: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    all: bool = True


NOTHING = Consulted()


@dataclass(frozen=True, slots=True)
class Closing:
    """The last record of a file: imported local modules, torch's version, seconds by step."""

    imported: tuple[str, ...] = ()
    torch: str = ""
    durations: Mapping[str, float] = field(default_factory=dict)
    consulted: Consulted = NOTHING


Record = ModelGraph | Problem | TrialResult | ProofResult | Closing
"""A worker answers record by record, so that a crash loses only what was not yet traced."""


@dataclass(frozen=True, slots=True)
class TraceOutcome:
    """The result for one file: the graphs of its models, and what could not be checked.

    ``imported`` holds the paths of local modules the file imported. Cached graphs depend on all
    that was ``consulted``.
    """

    path: str
    graphs: tuple[ModelGraph, ...] = ()
    problems: tuple[Problem, ...] = ()
    imported: tuple[str, ...] = ()
    torch: str = ""
    durations: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[TrialResult, ...] = ()
    consulted: Consulted = NOTHING
    proofs: tuple[ProofResult, ...] = ()


def collect(path: str, records: Iterable[Record]) -> TraceOutcome:
    """The outcome of one file from its records, in their order."""
    kept: dict[type, list[Any]] = {}
    for record in records:
        kept.setdefault(type(record), []).append(record)
    graphs, problems, trials, proofs, closings = (
        tuple(kept.get(kind, ()))
        for kind in (ModelGraph, Problem, TrialResult, ProofResult, Closing)
    )
    last = closings[-1] if closings else Closing()
    return TraceOutcome(
        path,
        graphs,
        problems,
        last.imported,
        last.torch,
        last.durations,
        trials,
        last.consulted,
        proofs,
    )
