r"""Ways to change source so that a finding disappears: each is one file, found by its name.

A module of this folder that declares ``ACTIONS`` adds them to what rules can name in ``fix:``. An
action gets a :class:`Job` and yields :class:`Plan`\ s: splices of one file, not yet proved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bnlint.domain.graph import Location, ModelGraph, Op, Subject, Value, name_of
from bnlint.domain.rule import Tags
from bnlint.graph.view import View
from bnlint.layers.table import having

if TYPE_CHECKING:
    import libcst as cst

    from bnlint.edits.syntax import Splice, Syntax


_HOLDS_MEAN = having("keeps", "running-mean")
_WITHOUT_MEAN = Tags(none_of=("kernel", *sorted(_HOLDS_MEAN)))


class NoEdit(Exception):
    """No edit is certain to be right; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """How a proved edit may change the graph.

    ``facts`` may differ on the edited layers, which are ``swapped`` (with each other),
    ``removed``, or ``rebuilt`` (registered or copied). ``inserted`` is ``before`` or ``after``,
    where one more operation comes there. Layers keep their names unless ``renames``.
    """

    facts: frozenset[str] = frozenset()
    kind: bool = False
    swapped: bool = False
    removed: bool = False
    rebuilt: bool = False
    inserted: str = ""
    renames: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Splices in the file at ``path``, and the change of the graph they should make.

    ``built`` are the edited construction places, ``called`` the call places, by role: every layer
    built (called) there must have the finding.
    """

    path: str
    splices: tuple[Splice, ...]
    message: str
    change: Change
    built: Mapping[str, Location] = field(default_factory=dict)
    called: Mapping[str, Location] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One finding to fix: the layers by role, the values of the recipe, and the syntax of files.

    ``syntax`` raises :class:`NoEdit` for a file that may not be edited.
    """

    view: View
    layers: Mapping[str, Subject]
    arguments: Mapping[str, Value]
    syntax: Callable[[str], Syntax]

    def syntax_at(self, location: Location | None, subject: Subject) -> Syntax:
        """The syntax of the file of a location; NoEdit where that is unknown."""
        if location is None:
            raise NoEdit(f"it is not known where `{name_of(subject)}` is built in the source")
        return self.syntax(location.path)

    def built_at(
        self, location: Location | None, subject: Subject
    ) -> tuple[Syntax, cst.Call, Location]:
        """The syntax of a location's file, the call there, and the location; NoEdit without one."""
        syntax = self.syntax_at(location, subject)
        assert location is not None
        return syntax, built_by(syntax, location, subject), location


@dataclass(frozen=True, slots=True)
class Action:
    """A way to change source, as rules name it.

    ``plans`` yields plans, the best first, or raises :class:`NoEdit`. A rule assigns captures to
    the ``roles`` and values to the ``arguments``.
    """

    name: str
    plans: Callable[[Job], Iterator[Plan]]
    roles: tuple[str, ...] = ("of",)
    arguments: tuple[str, ...] = ()


@cache
def actions() -> Mapping[str, Action]:
    """All actions by name."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("[!_.]*.py"))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return {each.name: each for m in modules for each in getattr(m, "ACTIONS", ())}


def built_by(syntax: Syntax, location: Location | None, subject: Subject) -> cst.Call:
    """The call at a location, which builds a layer or calls a function; NoEdit without one."""
    call = syntax.call_at(location)
    if call is None:
        raise NoEdit(f"the source has no call there that builds `{name_of(subject)}`")
    return call


def is_method(subject: Subject) -> bool:
    """True for a call such as ``x.relu()``, where the input is before the dot."""
    return bool(subject.types) and subject.types[0].startswith("torch.Tensor.")


def is_numbered(subject: Subject) -> bool:
    """True for a layer that forward builds: its name is a class and a number, ``<ReLU 3>``."""
    return name_of(subject).startswith("<")


def same_place(one: Location | None, other: Location) -> bool:
    """True for the same span of the same file."""
    if one is None or (one.line, one.column) != (other.line, other.column):
        return False
    same_end = (one.end_line, one.end_column) == (other.end_line, other.end_column)
    return same_end and os.path.realpath(one.path) == os.path.realpath(other.path)


def is_lone(graph: ModelGraph) -> bool:
    """True for a single layer, such as a helper returns: nothing around it can be wrong."""
    return sum(not op.tags & {"input", "output"} for op in graph.ops) <= 1


def behind(view: View, op: Op) -> Iterator[Op]:
    """The ops that lead to ``op``, the nearest first, along the first argument of each."""
    while sources := view.predecessors(op):
        op = sources[0]
        yield op


def norms_after(view: View, kernel: Op) -> list[Op]:
    """The norms with running means that a kernel's result reaches without another kernel."""
    found = view.reach(kernel, _WITHOUT_MEAN)
    return [op for op in found if op.tags & _HOLDS_MEAN]
