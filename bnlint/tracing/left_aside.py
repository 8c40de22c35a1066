"""What of a file was not checked, and is said at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.loading.parsing import Source
from bnlint.models.survey import Maker

Left = list[tuple[Maker | None, Problem]]
"""Why models were not checked, each with its maker if it has one."""


def not_built(skipped: Mapping[str, int], source: Source) -> Iterator[Problem]:
    """A problem for the factories that were ``skipped``, by the class that they return."""
    for root, count in skipped.items():
        said = f"{count} more functions that return {root} were not built"
        if count == 1:
            said = f"1 more function that returns {root} was not built"
        hint = f"name the one to check: bnlint {source.name}::NAME"
        if count:
            yield Problem(ProblemKind.NOT_BUILT, source.path, said, hint)


def not_checked(
    left: Left, any_graph: bool, contains: Callable[[Maker], bool]
) -> Iterator[Problem]:
    """The problems of models that were not checked; they block if nothing of the file was.

    ``contains`` is true of a maker whose class is in a model that was traced.
    """
    whole = any(maker is None or not maker.aside for maker, _ in left)
    for maker, problem in left:
        aside = maker is not None and maker.aside
        own_fault = problem.kind is ProblemKind.CRASH
        if any_graph and maker is not None and contains(maker) and not own_fault:
            continue  # a checked model has it
        if aside and (any_graph or whole) and not own_fault:
            yield replace(problem, kind=ProblemKind.PART)
        else:
            yield replace(problem, blocking=problem.blocking or not any_graph)


def no_model(source: Source) -> Problem:
    """The problem of a file whose classes are no models."""
    return Problem(
        ProblemKind.NO_MODEL,
        source.path,
        "none of its classes can be a model by itself: they have no forward of their own",
        hint=f"name what builds one: bnlint {source.name}::NAME(...)",
        blocking=True,
    )
