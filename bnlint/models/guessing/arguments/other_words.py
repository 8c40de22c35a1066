"""Words that the code compares an argument with, where the one that was given leads to an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.guessing.guess import Guess, Origin
from bnlint.models.survey import Maker


def with_other_words(
    guess: Guess, maker: Maker, uses: Mapping[str, ParameterUse]
) -> Iterator[Guess]:
    """The call with each of the other words for one of its arguments."""
    places = [p.name for p in maker.parameters[: len(guess.args)]]
    given = {**dict(zip(places, guess.args, strict=True)), **guess.kwargs}
    for name, value in given.items():
        use = uses.get(name)
        words = [w for w in use.literals if isinstance(w, str)] if use is not None else []
        for word in words if type(value) is str else ():
            if word != value:
                guessed = (*(n for n in guess.guessed if n != name), name)
                kwargs = {**given, name: word}
                yield replace(guess, args=(), kwargs=kwargs, guessed=guessed, origin=Origin.GUESSED)
