"""The Python functions of bnlint: lint files or live models, get graphs, probe, assert."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bnlint.domain import finding, graph, model_comparison
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Severity
from bnlint.domain.phrases import closest

if TYPE_CHECKING:
    import networkx
    from torch import fx, nn

    from bnlint.domain.probe import ProbeResult

PathLike = str | Path
_T = TypeVar("_T")


class Report(finding.Report):
    """What a run found; render it with :meth:`render`, or look at ``findings`` and ``problems``."""

    def render(self, format: str = "text") -> str:
        """The report as text in one of the formats of the command line.

        The page (``html``) draws the graphs that the report carries: those of :func:`check_model`,
        and of :func:`check` with ``formats=["html"]``.

        Raises
        ------
        UsageError
            When there is no such format.

        """
        from bnlint.config import Settings
        from bnlint.domain import VERSION
        from bnlint.pipeline import rule_infos
        from bnlint.report import RenderOptions, format_named, render
        from bnlint.sources.cells import cell_lines

        rules = rule_infos(Settings(cache=False)) if format_named(format).rules else {}
        options = RenderOptions(rules, str(Path.cwd()), VERSION, cell=cell_lines)
        return render(format, self, options)

    def __repr__(self) -> str:
        from bnlint.report.notebook import short

        return f"<Report: {short(self)}>"

    def _repr_html_(self) -> str:
        from bnlint.report.notebook import table

        return table(self)


class ModelComparison(model_comparison.ModelComparison):
    """What makes one model another: ``checkpoint``, ``function``, ``graph``, ``cost``, a verdict.

    ``key_map`` holds the new key of each old one that was renamed.
    """

    def render(self, format: str = "text") -> str:
        """The comparison as text in one of the formats of ``bnlint compare``.

        Raises
        ------
        UsageError
            When there is no such format.

        """
        from bnlint.comparing.showing import render
        from bnlint.domain import VERSION
        from bnlint.report import RenderOptions

        options = RenderOptions(root=str(Path.cwd()), version=VERSION)
        return render(format, model_comparison.ComparisonReport((self,)), options)


class ModelGraph(graph.ModelGraph):
    """The classified graph of a model: ``ops`` in order of execution, ``edges`` between them."""

    def __repr__(self) -> str:
        from bnlint.report.notebook import short_graph

        return f"<ModelGraph {short_graph(self)}>"

    def _repr_html_(self) -> str:
        from bnlint.report.notebook import graph_table

        return graph_table(self)

    def to_networkx(self) -> networkx.MultiDiGraph:
        """The graph for networkx: nodes by op id, with the op's fields as node attributes."""
        from bnlint.graph.view import View

        return View(self).networkx()


def check(paths: PathLike | Iterable[PathLike], *, executor: Any = None, **settings: Any) -> Report:
    """The report about files, folders, globs or ``file.py::Model(...)``, as on the command line.

    Files are imported in a child process. ``settings`` are those of the command line, in
    snake case: ``check("net.py", select=["BN3"], inputs=["1x3x32x32"], norm_placement="any")``.
    ``executor`` is anything with the interface of ``concurrent.futures.Executor`` (a process
    pool, a Dask client's ``get_executor()``), over which the files are spread; its workers must see
    the same files. A path that does not exist is a problem of the report, and a warning of Python.
    With ``diff=True`` findings carry their proved fixes, with ``fix=True`` those
    are applied and the report is about what is left; ``add_ignores="reason"`` writes a suppression
    comment at every finding.

    Raises
    ------
    UsageError, ConfigError, RuleError
        When arguments, configuration or a rule file are wrong; all of their mistakes at once.

    """
    from bnlint.config import load_settings
    from bnlint.pipeline import check as run

    loaded = load_settings({"paths": _listed(paths), **settings})
    if loaded.add_ignores:
        from bnlint.fixes.add_ignores import add_ignores

        report = add_ignores(loaded).report
    elif loaded.diff or loaded.fix:
        from bnlint.fixes.apply import run as apply_fixes

        report = apply_fixes(loaded, executor).report
    else:
        report = run(loaded, executor=executor)
    _warn_of_missing(report)
    return _as(Report, report)


def _warn_of_missing(report: finding.Report) -> None:
    """Warn of paths that do not exist: a report without findings would look clean."""
    for problem in report.problems:
        if problem.kind is finding.ProblemKind.NOT_FOUND:
            warnings.warn(f"bnlint: {problem.file}: {problem.message}", stacklevel=3)


def _listed(paths: PathLike | Iterable[PathLike]) -> list[str]:
    listed = [paths] if isinstance(paths, (str, Path)) else paths
    try:
        return [os.fspath(path) for path in listed]
    except TypeError as error:
        hint = "for a model, use bnlint.check_model(model)"
        raise UsageError(Mistake(f"paths are strings or Paths: {error}", hint=hint)) from None


def check_model(model: nn.Module, inputs: Any = None, *, name: str = "", **settings: Any) -> Report:
    """The report about a live model, checked in this process; the model is left as it is.

    ``inputs`` is the tuple of positional arguments of its forward, a dict of keyword arguments, or
    one tensor; only their shapes and types are used. Without it, inputs are guessed. Works on
    models on the ``meta`` device too.
    """
    from bnlint.config import load_settings
    from bnlint.pipeline import check_live

    loaded = load_settings({"paths": [], "cache": False, **settings})
    return _as(Report, check_live(model, inputs, name, loaded))


def trace(model: nn.Module, inputs: Any = None, *, name: str = "") -> ModelGraph:
    """The classified graph of a live model; every op has its kind, tags, facts and shapes."""
    from bnlint.pipeline import trace_live

    return _as(ModelGraph, trace_live(model, inputs, name))


def assert_clean(
    model: nn.Module, inputs: Any = None, *, fail_on: str = "warning", **settings: Any
) -> None:
    """Nothing for a clean model; for use in tests.

    Raises
    ------
    AssertionError
        With the findings at or above ``fail_on``, one a line.
    UsageError
        When an argument is wrong, or ``model`` is no model.

    """
    __tracebackhide__ = True
    report = check_model(model, inputs, fail_on=fail_on, **settings)
    kept = tuple(f for f in report.findings if f.severity.at_least(Severity(fail_on)))
    if kept:
        text = Report(kept).render("concise")
        rules = list(dict.fromkeys(f.rule for f in kept))
        pages = ", ".join(f"`bnlint explain {rule}`" for rule in rules)
        said = f"{text}why: {pages}; to accept it: ignore={rules}"
        raise AssertionError(f"{type(model).__name__} is not clean:\n{said}")


def compare(old: nn.Module, new: nn.Module, *, inputs: Any = None) -> ModelComparison:
    """What makes ``new`` another model than ``old``; both are left as they are.

    Copies of both are run in this process with the same random weights and inputs, in train and
    eval mode, in double precision. ``inputs`` are as for :func:`check_model`; without them, inputs
    are guessed.
    """
    from bnlint.comparing.running.live_models import compare_live

    return _as(ModelComparison, compare_live(old, new, inputs))


def assert_same_function(old: nn.Module, new: nn.Module, *, inputs: Any = None) -> None:
    """Nothing if both models compute the same from the same weights; for tests of refactorings.

    Keys may be renamed. See :func:`compare` for ``inputs``.

    Raises
    ------
    AssertionError
        When the outputs differ, or could not be compared; it says what differs first.
    UsageError
        When an argument is no model.

    """
    __tracebackhide__ = True
    found = compare(old, new, inputs=inputs)
    if found.function is None or not found.function.equal:
        raise AssertionError(f"not the same function:\n{found.render()}")


def repair(
    model: nn.Module, inputs: Any = None, *, name: str = "", **settings: Any
) -> fx.GraphModule:
    """A repaired copy of a live model, as a ``torch.fx.GraphModule`` that has its weights.

    A redundant bias is folded into the running mean of its norm and a repeated norm into the one
    before it, so that results in eval mode stay the same; norms and activations in the
    wrong order are swapped, and then the model is another one. ``settings`` choose the fixes:
    ``repair(model, select=["BN301"])``. ``.meta["bnlint"]`` says what was ``done``, and what was
    ``refused`` and why. ``inputs`` are as for :func:`check_model`; the model is left as it is.

    Raises
    ------
    UsageError
        When ``model`` is no model, or torch.fx cannot trace it as a whole.

    """
    from bnlint.config import load_settings
    from bnlint.fixes.live import repair as run

    return run(model, inputs, name, load_settings({"paths": [], "cache": False, **settings}))


def probe(model: nn.Module, batches: Any = None, **options: Any) -> ProbeResult:
    """What activations, norms and gradients of a live model do on a real device.

    See :func:`bnlint.probing.probe_model.probe` for the options (``device``, ``loss``, ``targets``,
    ``compare``, ``steps``).
    """
    from bnlint.probing.probe_model import probe as run

    _check_keywords(run, options)
    return run(model, batches, **options)


def watch(model: nn.Module, **options: Any) -> Any:
    """A context that probes ``model`` now and then in training; see ``bnlint.probing.watch``."""
    from bnlint.probing.watch import watch as run

    _check_keywords(run, options)
    return run(model, **options)


def _check_keywords(function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raise UsageError for keywords that a function does not take, with suggestions."""
    from inspect import signature

    known = list(signature(function).parameters)[1:]
    unknown = [name for name in given if name not in known]
    said = (Mistake(f"no option is called {name}", hint=closest(name, known)) for name in unknown)
    if unknown:
        raise UsageError(*said)


def _as(kind: type[_T], value: Any) -> _T:
    """``value`` as the public class that adds methods to its own."""
    fields: Mapping[str, Any] = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return kind(**fields)
