"""Calls of a constructor or a factory: as it is, as the source calls it, or with guessed arguments.

Values for required arguments are guessed from annotations, from what the code does with them, and
from their names.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, takewhile
from typing import Any

from torch import nn

from bnlint.loading.parsing import Source
from bnlint.models.evidence.bodies import Bodies
from bnlint.models.evidence.command_lines import UNSET
from bnlint.models.evidence.configured import Provided, of_class, settings_for
from bnlint.models.evidence.described_calls import calls_in_settings
from bnlint.models.evidence.following import Follower
from bnlint.models.evidence.project import Project, project_of
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.evidence.written_calls import (
    Callee,
    WrittenCall,
    calls_in_file,
    calls_in_project,
)
from bnlint.models.guessing.arguments.guessed_settings import GuessedSettings
from bnlint.models.guessing.arguments.knowledge import Knowledge, Lacking, Part
from bnlint.models.guessing.arguments.of_parameters import fill, settings, values_of
from bnlint.models.guessing.guess import Guess, Origin
from bnlint.models.lexicon import CONFIG, PROFILES, WITHOUT_WEIGHTS, Profile
from bnlint.models.reading.forward_code import forwards_nothing
from bnlint.models.survey import Maker, maker_of

_DEEPEST = 3
"""Models that are guessed for a parameter of one that is guessed for a parameter."""


@dataclass(slots=True)
class CallEvidence:
    """All that calls of one module's makers are concluded from.

    ``names`` is the module's namespace, where annotations and classes of the file are looked up.
    ``absent`` are names that were guessed, ``computed`` those that depend on one of them.
    """

    source: Source
    names: Mapping[str, Any]
    absent: Mapping[str, Any] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    follower: Follower = field(init=False)
    project: Project | None = field(init=False)
    parts: list[type] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follower = Follower(Bodies(self.source), self.names)
        self.project = project_of(self.source)

    def knowledge(self, maker: Maker, profile: Profile) -> Knowledge:
        """What values for the parameters of a maker are guessed from."""
        uses = self.follower.uses(maker.make)
        known = Knowledge(profile, self.names, uses)

        def configured(name: str, use: ParameterUse) -> Any:
            if not (use.fields or CONFIG.fullmatch(name.lower())):
                return None
            if use.called or use.applied or use.tensor or use.module:
                return None
            declared = getattr(maker.make, "config_class", None)
            if isinstance(declared, type) and (own := of_class(declared)) is not None:
                return own.whole
            found = settings_for(use, self.source, self.names, self.project)
            return None if found is None else _as_object(name, use, found, known)

        def part(cls: type[nn.Module]) -> Part | None:
            return None if cls is maker.make else self._part(cls, maker.make)

        return replace(known, configured=configured, part=part)

    def _part(self, cls: type[nn.Module], holder: object) -> Part | None:
        """A model of a class with guessed arguments; None if nothing is known, or it goes on.

        An abstract class is replaced by one that derives from it, but not by its ``holder``.
        """
        left = (c for c in _concrete(cls) if c is not holder and c not in self.parts)
        cls = next(left, nn.Module)
        if len(self.parts) >= _DEEPEST or cls is nn.Module:
            return None
        self.parts.append(cls)
        try:
            maker = maker_of(cls, cls.__name__, self.source)
            filled = fill(maker.required, self.knowledge(maker, PROFILES[0]))
        finally:
            self.parts.pop()
        return None if isinstance(filled, Lacking) else Part(cls, filled)


def _concrete(cls: type[nn.Module]) -> Iterator[type[nn.Module]]:
    """The class, or classes that derive from it, none of them abstract."""
    if not (inspect.isabstract(cls) or forwards_nothing(cls)):
        yield cls
        return
    for derived in cls.__subclasses__():
        yield from _concrete(derived)


def find_calls(maker: Maker, evidence: CallEvidence) -> Iterator[Guess | Lacking]:
    """Calls to try, best first; ends with :class:`Lacking` if a parameter stays unknown."""
    full = _with_keywords(maker, evidence)
    if full is not maker and _has_defaults(maker, evidence):
        yield from _calls(maker, evidence)
    yield from _calls(full, evidence)


def _has_defaults(maker: Maker, evidence: CallEvidence) -> bool:
    """True if the keywords that a maker takes are merged over others."""
    rest = next((p for p in maker.parameters if p.kind is p.VAR_KEYWORD), None)
    return rest is not None and evidence.follower.uses(maker.make)[rest.name].defaulted


def _calls(maker: Maker, evidence: CallEvidence) -> Iterator[Guess | Lacking]:
    if not maker.required:
        yield from _without_requirements(maker, evidence)
        return
    incomplete: list[Guess] = []
    for call in _written_calls(maker, evidence):
        completed = _completed(maker, call, evidence)
        if completed is None:
            continue
        if completed.guessed:
            incomplete.append(completed)
        else:
            yield completed
    yield from incomplete
    yield from _guessed(maker, evidence)


def _with_keywords(maker: Maker, evidence: CallEvidence) -> Maker:
    """The maker with parameters for the keys that its code reads from its ``**kwargs``."""
    rest = next((p for p in maker.parameters if p.kind is p.VAR_KEYWORD), None)
    use = evidence.follower.uses(maker.make).get(rest.name) if rest else None
    if use is None or (use.spread and maker.origin == "factory"):
        return maker  # a helper that hands on its keywords is no model of its own
    uses = evidence.follower.uses(maker.make)
    known = {p.name for p in maker.parameters} | {*dir(dict)}
    read = [n for n, field_ in use.fields.items() if not field_.optional and n not in known]
    uses.update({name: use.fields[name] for name in read})
    keys = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY) for n in read if n.isidentifier()]
    return replace(maker, parameters=(*maker.parameters[:-1], *keys, *maker.parameters[-1:]))


def _written_calls(maker: Maker, evidence: CallEvidence) -> Iterator[WrittenCall]:
    """Calls in the file and its tests, in other files, and in settings; each once."""
    parameters = [p.name for p in maker.parameters]
    known = evidence.knowledge(maker, PROFILES[0])

    def configured(text: Source, name: str, fields: ParameterUse) -> Any:
        names = evidence.names if text is evidence.source else {}
        found = settings_for(fields, text, names, evidence.project)
        return None if found is None else _as_object(name, fields, found, known)

    callee = Callee(maker.name, parameters, known.uses, configured)
    seen: set[str] = set()
    written = (calls_in_file, calls_in_project, calls_in_settings)
    for call in chain.from_iterable(find(callee, evidence) for find in written):
        text = repr((sorted(call.known.items(), key=lambda item: item[0]), call.unknown))
        if text not in seen:
            seen.add(text)
            yield call


def _as_object(name: str, use: ParameterUse, found: Provided, known: Knowledge) -> Any:
    """The object that was found if it has all that is read, else one that guesses the rest."""
    if found.whole is not None and found.share(use) == 1.0:
        return found.whole
    values = {n: v for n, v in found.values.items() if v is not UNSET}
    return settings(name, use, known, values)


def _without_requirements(maker: Maker, evidence: CallEvidence) -> Iterator[Guess]:
    """The plain call, those of the file and the project, and numbers for what may be required."""
    yield Guess(origin=Origin.NONE)
    known = {p.name: WITHOUT_WEIGHTS[p.name] for p in maker.parameters if p.name in WITHOUT_WEIGHTS}
    if known:
        yield Guess((), known)
    for call in _written_calls(maker, evidence):
        completed = None if call.unknown else _completed(maker, call, evidence)
        if completed is not None and not completed.assumed():
            yield completed
    unset = [p for p in maker.parameters if p.default is None and p.name not in WITHOUT_WEIGHTS]
    knowledge = evidence.knowledge(maker, PROFILES[0])
    values = {p.name: next(values_of(p, knowledge), None) for p in unset}
    if numbers := {name: v for name, v in values.items() if type(v) in (int, float)}:
        yield Guess((), numbers, guessed=tuple(numbers))


def _completed(maker: Maker, call: WrittenCall, evidence: CallEvidence) -> Guess | None:
    """A call written in the source, with guesses for the arguments that it lacks."""
    accepted = {p.name for p in maker.parameters}
    anything = any(p.kind is p.VAR_KEYWORD for p in maker.parameters)
    if not call.known or not (anything or set(call.known) <= accepted):
        return None
    knowledge = evidence.knowledge(maker, PROFILES[0])
    vain = {p.name for p in maker.required if _is_vain(p.name, call.known, knowledge.uses)}
    known = {name: value for name, value in call.known.items() if name not in vain}
    filled = fill(tuple(p for p in maker.required if p.name not in known), knowledge)
    if isinstance(filled, Lacking):
        return None
    values = {**known, **filled}
    places = [p.name for p in maker.parameters[: call.positions]]
    first = [*takewhile(lambda name: not isinstance(values[name], GuessedSettings), places)]
    rest = [p.name for p in maker.parameters[len(first) :] if p.name in values]
    named = {name: values[name] for name in dict.fromkeys([*rest, *values]) if name not in first}
    args = tuple(values[name] for name in first)
    return Guess(args, named, Origin.FOUND, call.place, (*call.guessed, *filled))


def _is_vain(name: str, known: Mapping[str, Any], uses: Mapping[str, ParameterUse]) -> bool:
    """True for None or a number in the place of settings: what the call really gets is computed."""
    value, use = known.get(name, ...), uses.get(name)
    if use is None or not (value is None or type(value) in (bool, int, float)):
        return False
    return any(not (each.optional or hasattr(value, field)) for field, each in use.fields.items())


def known_values(maker: Maker, evidence: CallEvidence) -> dict[str, Any]:
    """Values for the required parameters of which something is known."""
    known = evidence.knowledge(maker, PROFILES[0])
    found = {p.name: next(values_of(p, known), ...) for p in maker.required}
    return {name: value for name, value in found.items() if value is not ...}


def _guessed(maker: Maker, evidence: CallEvidence) -> Iterator[Guess | Lacking]:
    """Calls with every required argument guessed, one for each profile."""
    tried: dict[str, Guess] = {}
    profiles = PROFILES[1:] + PROFILES[:1] if maker.part else PROFILES
    for profile in profiles:
        filled = fill(maker.required, evidence.knowledge(maker, profile))
        if isinstance(filled, Lacking):
            yield filled
            return
        guess = Guess((), filled, guessed=tuple(filled))
        if tried.setdefault(guess.written(maker.name), guess) is guess:
            yield guess
