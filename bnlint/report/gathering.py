"""Notes that several files share, told once: a folder is read from top to bottom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import listed, plural

_NAMED = 3
"""Most packages or weights that one line names."""

_LISTED = "(-v lists them)"


def told_once(problems: Sequence[Problem]) -> list[Problem]:
    """The problems, where notes that several files share are one, which has no file.

    Those are notes of the same words, and those of packages or weights that each file names itself.
    """
    shared: dict[Hashable, list[Problem]] = {}
    for problem in problems:
        if not problem.blocking:
            shared.setdefault(_subject(problem), []).append(problem)
    several = {
        subject: alike for subject, alike in shared.items() if len({p.file for p in alike}) > 1
    }
    alone = [p for p in problems if p.blocking or _subject(p) not in several]
    return [*alone, *map(_together, several.values())]


def _subject(problem: Problem) -> Hashable:
    if problem.names:
        return problem.kind
    return problem.kind, problem.message, problem.model


def _together(alike: list[Problem]) -> Problem:
    """One problem for several, with the names that most of them have first."""
    kind, hints = alike[0].kind, {problem.hint for problem in alike}
    hint = hints.pop() if len(hints) == 1 else ""
    files = plural(len({problem.file for problem in alike}), "file")
    counts = Counter(name for problem in alike for name in problem.names)
    names = [name for name, _ in counts.most_common()]
    if not names:
        return Problem(kind, "", f"in {files}: {alike[0].message} {_LISTED}", hint)
    if kind is ProblemKind.WEIGHTS:
        said = f"built with random weights in {files}: {_some(names, 'other')}"
        said += f" {'is' if len(names) == 1 else 'are'} neither downloaded nor read, because no "
        return Problem(kind, "", f"{said}check needs them {_LISTED}", hint)
    said = f"{_some(names, 'other package')} could not be imported in {files} and "
    said += f"{'was' if len(names) == 1 else 'were'} stubbed; results may be incomplete {_LISTED}"
    return Problem(kind, "", said, "install what the files import for a complete check")


def _some(names: list[str], others: str) -> str:
    more = len(names) - _NAMED
    return listed(names if more <= 1 else [*names[:_NAMED], plural(more, others)])
