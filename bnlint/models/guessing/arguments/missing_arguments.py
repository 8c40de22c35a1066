"""Arguments that an error misses: a class behind requires them, or a check that they are given."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

from bnlint.models.guessing.arguments.blamed import blamed, names_in_guards, spots_of
from bnlint.models.guessing.arguments.knowledge import Lacking
from bnlint.models.guessing.arguments.of_constructor import CallEvidence
from bnlint.models.guessing.arguments.of_parameters import fill
from bnlint.models.guessing.guess import Guess
from bnlint.models.lexicon import PROFILES
from bnlint.models.survey import Maker, maker_of

_MISSES = re.compile(r"(?:(\w+)\.__init__|\w+)\(\) missing \d+ required [\w-]+ arguments?: (.*)")
_OF_NONE = re.compile(
    "'NoneType' object (has no attribute|is not (subscriptable|iterable))|operand.*'NoneType'"
)
_DEMANDS = re.compile(
    r"(?i)\b(must|should|has to|have to|needs?|required?|missing|supply|supplied|provided?|specify|"
    r"specified|set|pass|given?)\b"
)


def with_what_is_missing(
    guess: Guess, error: BaseException, maker: Maker, evidence: CallEvidence
) -> Guess | None:
    """The guess with the arguments that the error misses.

    Those that a class behind requires, if the call takes any keyword, and those with None for a
    default that the text of the error or its condition names, or that the code uses as if they were
    given. None if nothing is known about one of them.
    """
    said = _MISSES.search(str(error)) if isinstance(error, TypeError) else None
    none = {name for name, value in guess.kwargs.items() if value is None}
    left = [p for p in maker.parameters[len(guess.args) :] if p.default is None or p.name in none]
    if said is not None and any(p.kind is p.VAR_KEYWORD for p in maker.parameters):
        names = re.findall(r"'(\w+)'", said[2])
        asked = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
        maker = _behind(maker, said[1], evidence)
    elif _DEMANDS.search(str(error)) or isinstance(error, AssertionError):
        words = {*re.findall(r"\w+", str(error)), *names_in_guards(error)}
        asked = [p for p in left if p.name in words]
    elif _OF_NONE.search(str(error)):
        used = {path[0] for fault in blamed(spots_of(error)) for path in fault.paths}
        asked = [p for p in left if p.name in used]
    else:
        return None
    fresh = tuple(p for p in asked if guess.kwargs.get(p.name) is None)
    filled = fill(fresh, evidence.knowledge(maker, PROFILES[0])) if fresh else None
    if filled is None or isinstance(filled, Lacking):
        return None
    kwargs = {**guess.kwargs, **filled}
    return replace(guess, kwargs=kwargs, guessed=(*guess.guessed, *filled))


def _behind(maker: Maker, name: str | None, evidence: CallEvidence) -> Maker:
    """The class of that name which the maker derives from or the file knows, else the maker."""
    bases = {cls.__name__: cls for cls in getattr(maker.make, "__mro__", ())}
    found = bases.get(name or "") or evidence.names.get(name or "")
    return maker_of(found, str(name), evidence.source) if isinstance(found, type) else maker
