"""The traced model as plain data: what leaves the torch world, crosses the pipe and is cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Scalar = bool | int | float | str | None
Value = Scalar | tuple["Value", ...]
"""What a fact may hold; ``None`` inside a fact is a value, a missing key is *unknown*."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A span of source text; lines and columns are 1-based, ends are exclusive or unknown (0).

    In a notebook, lines are those of the ``cell``, which is 0 for other files.
    """

    path: str
    line: int
    column: int = 1
    end_line: int = 0
    end_column: int = 0
    cell: int = 0


@dataclass(frozen=True, slots=True)
class Op:
    """One executed operation: a leaf module's call, a function or a tensor method.

    ``kind`` is the row of ``layers.yaml`` it matched, or ``other``; ``tags`` holds the kind and all
    its families. ``layer`` names it to people (``features.0``, or ``layer1.relu()`` for a function
    called in ``layer1``). ``module`` is the path of the leaf module, or of the module whose forward
    calls the function. ``types`` are dotted names: along the MRO for a module, one for a function.
    ``inputs``/``outputs`` are the shapes of its tensor arguments and results, ``None`` if unknown.
    ``number`` says which call of ``layer`` it is, from 0. ``exact`` holds all that decides what it
    computes besides its weights and inputs: arguments, constants, which part of an input it reads.
    ``reads`` are the keys of the states it reads, ``memory`` the bytes of its results.
    """

    id: str
    kind: str
    tags: frozenset[str]
    layer: str
    module: str
    types: tuple[str, ...]
    facts: Mapping[str, Value] = field(default_factory=dict)
    inputs: tuple[Shape | None, ...] = ()
    outputs: tuple[Shape | None, ...] = ()
    call: Location | None = None
    construction: Location | None = None
    error: str | None = None
    number: int = 0
    exact: Mapping[str, Value] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    memory: int | None = None

    @property
    def location(self) -> Location | None:
        """Where a finding about this op points: its construction, or the call of a function."""
        return self.construction or self.call


@dataclass(frozen=True, slots=True)
class Edge:
    """Data flowing from one op's result into an argument slot (0-based) of another."""

    source: str
    target: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """A registered module, called or not.

    ``aliases`` are the other paths at which the same object is registered. ``calls`` and
    ``eval_calls`` count calls in train and eval mode; ``None`` where that mode was not traced.
    ``reads`` is true when a parameter of it was read without a call. ``leaf`` modules became ops.
    """

    path: str
    kind: str
    tags: frozenset[str]
    types: tuple[str, ...]
    facts: Mapping[str, Value] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    parameters: int = 0
    calls: int | None = None
    eval_calls: int | None = None
    reads: bool = False
    leaf: bool = False
    construction: Location | None = None


@dataclass(frozen=True, slots=True)
class StateInfo:
    """A parameter or buffer by its key.

    ``tied`` is the first key of the same tensor, where there is an earlier one. Those that are not
    ``persistent`` are not in a checkpoint. ``value`` is a digest of a buffer's numbers, empty if
    they are not known.
    """

    key: str
    shape: Shape
    dtype: str = "float32"
    parameter: bool = True
    trainable: bool = True
    persistent: bool = True
    tied: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the model was traced with; ``source`` is declared, mined, inferred or none.

    Programs read ``source``; people read ``origin``.
    """

    source: str = "none"
    shapes: tuple[Shape, ...] = ()
    names: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """``given``, ``found`` or ``guessed``; ``none`` if there are none."""
        return _ORIGINS.get(self.source, self.source)


_ORIGINS = {"declared": "given", "mined": "found", "inferred": "guessed"}


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model this is and how it came to be; ``origin`` is instance, class, factory or named.

    ``arguments`` is the call that built it (``Net(3, 10)``); ``guessed`` names the arguments whose
    values bnlint guessed. ``definition`` is the class or function line. ``block`` is true for a
    class that is a part of another model, of which nothing about inputs and outputs may be said.
    ``found`` is the call in the source that the arguments were read from.
    """

    file: str
    name: str
    origin: str
    arguments: str = ""
    guessed: tuple[str, ...] = ()
    inputs: Inputs = Inputs()
    definition: Location | None = None
    block: bool = False
    found: Location | None = None


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that could not be traced, and why."""

    path: str
    reason: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A tracer that gave up on this model, and why."""

    tracer: str
    reason: str
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Unfit:
    """Where every guessed input fails, though another may pass: a layer or a function, and why.

    ``cut`` is true if the search for one that passes ran out of time.
    """

    layer: str
    reason: str
    location: Location | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """Which tracer won, whether it saw the whole model, and what it could not see.

    ``unfit`` is where the forward ended with each of the guessed inputs. ``guessed`` are the paths
    of parts that were traced by themselves with guessed inputs, since the forward did not reach
    them; nothing is known of their shapes. ``training`` is false if only evaluation mode could be
    traced.
    """

    tracer: str
    complete: bool
    opaque: tuple[Opaque, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unfit: Unfit | None = None
    guessed: tuple[str, ...] = ()
    training: bool = True


@dataclass(frozen=True, slots=True)
class LossUse:
    """A loss that training code applies to a result of the model.

    ``loss`` is the name of torch's function, ``result`` the index, key or attribute of the result
    (``0``, ``logits``; empty for all of it), and ``after`` the activations that the training code
    itself applies before.
    """

    loss: str
    result: str = ""
    after: tuple[str, ...] = ()
    place: Location | None = None


@dataclass(frozen=True, slots=True)
class TrainingCode:
    """What the source of the project does with the model, as far as that is certain.

    ``evaluated`` is where it is called with gradients disabled; ``switched`` is true if any of the
    files sets a model to evaluation mode.
    """

    losses: tuple[LossUse, ...] = ()
    evaluated: Location | None = None
    switched: bool = False


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """Everything the rules may know about one model; ops are in the order of execution.

    ``evaluation`` is a digest of what runs in eval mode, empty where that is the same.
    """

    ref: ModelRef
    ops: tuple[Op, ...]
    edges: tuple[Edge, ...]
    trace: Trace
    modules: tuple[ModuleInfo, ...] = ()
    parameters: int = 0
    training: TrainingCode = TrainingCode()
    states: tuple[StateInfo, ...] = ()
    evaluation: str = ""


Subject: TypeAlias = Op | ModuleInfo
"""What a rule or an edit is about: an operation, or a registered module."""


def name_of(subject: Subject) -> str:
    """The layer's or module's name for people."""
    return subject.path if isinstance(subject, ModuleInfo) else subject.layer
