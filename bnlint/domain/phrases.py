"""Small pieces of text that messages are made of, each written once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def plural(number: int, noun: str, many: str = "") -> str:
    """The number with its noun: ``1 model``, ``2 models``; ``many`` is an irregular plural."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """The words as a sentence lists them: ``a``, ``a and b``, ``a, b and c``."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def percent(share: float) -> str:
    """A share as people read it: ``37 %``, with one more digit below 10 %."""
    text = f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"
    return text.replace(".0%", "%").replace("%", " %")


def short_number(value: int | None, unit: str = "") -> str:
    """``1.20 M``, ``12.1 MB``; a question mark for what is not known."""
    if value is None:
        return "?"
    size = float(value)
    for prefix in ("", "k", "M", "G", "T"):
        if size < 1000 or prefix == "T":
            digits = f"{size:.3g}" if prefix else str(value)
            return f"{digits} {prefix}{unit}".strip()
        size /= 1000
    return str(value)


def shape_text(shape: Iterable[int]) -> str:
    """``4x3x32x32``; ``scalar`` for a shape without dimensions."""
    return "x".join(map(str, shape)) or "scalar"


def first_line(said: object) -> str:
    """The first line of an error or another text; empty when there is none."""
    return next(iter(str(said).splitlines()), "")


def shortened(text: str, width: int, end: str = "…") -> str:
    """The text, cut to ``width`` characters with ``end`` as the last of them."""
    return text if len(text) <= width else text[: width - len(end)] + end


def closest(word: str, known: Iterable[str], most: int = 30) -> str:
    """A hint that names the most similar known word, or all of them if at most ``most``."""
    from difflib import get_close_matches

    names = sorted(known)
    found = get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return f"did you mean {found[0]!r}?"
    return f"known: {', '.join(names)}" if len(names) <= most else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the most similar word of a rule file, or all of them when they are few."""
    return closest(word, known, most=16)


def below(path: str | Path, folder: str | Path) -> str:
    """The path relative to a folder that holds it, else as it is; with forward slashes."""
    try:
        return Path(path).relative_to(folder).as_posix()
    except ValueError:
        return Path(path).as_posix()
