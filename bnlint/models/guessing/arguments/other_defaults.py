"""Arguments that were left out, where the failure of a call is about their defaults."""

from __future__ import annotations

from dataclasses import replace

from bnlint.models.guessing.arguments.amending import amended
from bnlint.models.guessing.arguments.blamed import blamed, names_in_guards, spots_of
from bnlint.models.guessing.guess import Guess, Origin
from bnlint.models.survey import Maker


def with_another_default(
    guess: Guess, error: BaseException, maker: Maker, tried: set[str]
) -> Guess | None:
    """The guess with another value for an argument whose default fails: ``temporal=-1``.

    None if no default is to blame.
    """
    about = {path[0] for fault in blamed(spots_of(error)) for path in fault.paths}
    about.update(names_in_guards(error))
    given = {p.name for p in maker.parameters[: len(guess.args)]} | {*guess.kwargs}
    left = [p for p in maker.parameters if p.name in about and p.name not in given]
    defaults = {p.name: p.default for p in left if p.default is not p.empty}
    kwargs, guessed = {**guess.kwargs, **defaults}, (*guess.guessed, *defaults)
    filled = replace(guess, kwargs=kwargs, guessed=guessed, origin=Origin.GUESSED)
    changed = amended(filled, error, tried) if defaults else None
    if changed is None:
        return None
    tried.add(changed.key())
    same = {name for name, value in defaults.items() if changed.kwargs[name] is value}
    kwargs = {name: value for name, value in changed.kwargs.items() if name not in same}
    return replace(changed, kwargs=kwargs, guessed=tuple(n for n in guessed if n not in same))
