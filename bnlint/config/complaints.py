"""What is wrong with one value, before it is known where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mistake at a path of keys; ``value`` narrows the place to a string within the value."""

    path: tuple[str, ...]
    message: str
    hint: str = ""
    value: str | None = None


@dataclass(frozen=True, slots=True)
class At:
    """The place a reader is at; it collects complaints so that all mistakes show at once."""

    path: tuple[str, ...]
    complaints: list[Complaint] = field(default_factory=list)

    def fail(self, message: str, hint: str = "", value: object = None) -> None:
        """Record a mistake here."""
        text = value if isinstance(value, str) else None
        self.complaints.append(Complaint(self.path, message, hint, text))

    def under(self, key: str) -> At:
        """The place one key further down, with the same list of complaints."""
        return At((*self.path, key), self.complaints)


def closest(word: str, known: Iterable[str]) -> str:
    """``did you mean …?`` for the most similar known word, or all known words when few."""
    from difflib import get_close_matches

    names = sorted(known)
    found = get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return f"did you mean '{found[0]}'?"
    return f"known: {', '.join(names)}" if len(names) <= 30 else ""
