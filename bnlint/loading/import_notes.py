"""What a reader must know about an import: what was replaced, skipped, stopped or left out."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from collections.abc import Container, Iterator
from dataclasses import replace

import torch

from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.phrases import listed, plural
from bnlint.loading.importing import Imported
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.parsing import Source
from bnlint.loading.patience import Stopped
from bnlint.loading.sites import file_of, is_local
from bnlint.loading.user_code import blame, line_in

_GUARD = "keep work under `if __name__ == '__main__'`"
_IMPORT = "fix the import, or build the compiled part that it names"
_NAMED = 5
"""Most definitions that a note names."""


def import_notes(source: Source, found: Imported) -> Iterator[Problem]:
    """What was replaced or left out while the file was imported."""
    stubs = found.stubs
    if found.bare:
        yield Problem(
            ProblemKind.STUBBED_IMPORT,
            source.path,
            f"imported without the __init__.py of {found.bare}, which fails",
            hint=f"`import {found.bare}` shows why",
        )
    for line, error in found.partly:
        problem = blame(error, ProblemKind.IMPORT_FAILED, _importing(error, source), source.path)
        said = f"{problem.message}. The rest of that module was imported"
        hint = _IMPORT if isinstance(error, ImportError) else _GUARD
        yield replace(problem, line=line, message=said, hint=hint)
    yield from _stopped(source, found)
    yield from _misfits(source, stubs)
    names = [name for name in dict.fromkeys(stubs.names) if name not in stubs.broken]
    whole = [name for name in names if name in stubs.replaced - stubs.lacking]
    missing = [name for name in names if name not in whole]
    if whole and not found.failures:
        said = f"{listed(whole)} could not be imported; the names that are used were provided"
        line = _import_line(source.tree, whole[0])
        yield Problem(ProblemKind.STUBBED_IMPORT, source.path, said, line=line, names=tuple(whole))
    if missing and not found.failures:
        were = "was" if len(missing) == 1 else "were"
        yield Problem(
            ProblemKind.STUBBED_IMPORT,
            source.path,
            f"{listed(missing)} could not be imported and {were} stubbed; "
            "results may be incomplete",
            hint="install what the file imports for a complete check",
            line=_import_line(source.tree, missing[0]),
            names=tuple(missing),
        )


def _stopped(source: Source, found: Imported) -> Iterator[Problem]:
    """A note for each local module that ran for long when it was imported."""
    for script in found.others:
        name = os.path.basename(script.path)
        for failed in script.failures:
            if isinstance(failed.error, Stopped):
                line, seconds = failed.statement.lineno, failed.error.seconds
                said = f"{name}:{line}, which it imports, ran for more than {seconds:g} s and was"
                said += " stopped. The rest of that module was imported"
                at = _import_line(source.tree, name.removesuffix(".py"))
                yield Problem(ProblemKind.SKIPPED_CODE, source.path, said, _GUARD, at)


def _misfits(source: Source, stubs: Stubs) -> Iterator[Problem]:
    """A note for each package that is installed, but not as it should be."""
    version = torch.__version__
    for name in stubs.operators:
        said = f"the compiled part of {name} cannot be loaded, as if built for another torch. What"
        said += " needs it was not checked"
        hint = f"install the {name} that fits torch {version}"
        line = _import_line(source.tree, name)
        yield Problem(ProblemKind.STUBBED_IMPORT, source.path, said, hint, line)
    for name, error in stubs.broken.items():
        said = f"{name} is installed, but its import fails: {error}"
        hint = f"`import {name}` shows why; does it fit torch {version}?"
        line = _import_line(source.tree, name)
        yield Problem(ProblemKind.STUBBED_IMPORT, source.path, said, hint, line)


def import_failure(source: Source, found: Imported, blocking: bool) -> Iterator[Problem]:
    """A problem for the first statement that failed, with what is missing because of it.

    It is ``blocking`` if nothing that the file defines can be checked.
    """
    if not found.failures or found.script is None:
        return
    first = found.failures[0]
    problem = failure(source.path, first.error, tuple(dict.fromkeys(found.stubs.names)), blocking)
    inner = 0 if isinstance(first.error, Stopped) else problem.line
    line = inner or first.statement.lineno
    if blocking:
        yield replace(problem, line=line)
        return
    defined = vars(found.module)
    missing = [f"`{n}`" for f in found.failures for n in f.defined if n not in defined]
    more = len(missing) - _NAMED
    missing = [*missing[:_NAMED], f"{more} more"] if more > 0 else missing
    rest = f", without {listed(missing)}" if missing else ""
    if skipped := len(found.script.left_out):
        rest += f" ({plural(skipped, 'later statement')} skipped)"
    kind = ProblemKind.SKIPPED_CODE if problem.kind is ProblemKind.TIMEOUT else problem.kind
    said = f"{problem.message}. The rest of the file was imported{rest}"
    yield replace(problem, kind=kind, line=line, message=said)
    for other in found.failures[1:]:  # a cell of a notebook that is no Python
        if isinstance(other.error, SyntaxError):
            at = other.statement.lineno
            yield replace(failure(source.path, other.error, (), blocking=False), line=at)


def failure(
    path: str, error: BaseException, replaced: tuple[str, ...] = (), blocking: bool = True
) -> Problem:
    """Why an import failed; ``replaced`` are the packages that were stubbed for it."""
    hint = f"bnlint imports the file: {_GUARD}"
    if isinstance(error, Stopped):
        name = os.path.basename(path)
        said = f"this ran for more than {error.seconds:g} s and was stopped"
        hint = f'{_GUARD}, or leave the file out: exclude = ["{name}"]'
        return Problem(ProblemKind.TIMEOUT, path, said, hint, line_in(error, path), "", blocking)
    if isinstance(error, FileNotFoundError):
        hint = "relative paths are looked up in the file's folder and those above it; " + _GUARD
    elif replaced:
        hint = f"install {', '.join(replaced)}: what is not installed was replaced for this try"
    elif isinstance(error, ModuleNotFoundError):
        hint = f"`{error.name}` is not found: run bnlint from the project it belongs to"
    problem = blame(error, ProblemKind.IMPORT_FAILED, "importing it", path, "", hint, blocking)
    if problem.kind is ProblemKind.DOWNLOAD:
        problem = replace(problem, hint=f"bnlint downloads nothing: {_GUARD}")
    return problem


def local_modules(before: Container[str], own: str) -> tuple[str, ...]:
    """Files of local modules that were imported since ``before``, sorted; not the file itself."""
    new = [module for name, module in list(sys.modules.items()) if name not in before]
    local = (p for p in map(file_of, new) if p and p != own and is_local(p))
    return tuple(sorted(set(map(os.path.abspath, local))))


def _importing(error: BaseException, source: Source) -> str:
    """``importing option (option.py:12)`` for an error inside a local module."""
    frames = traceback.extract_tb(error.__traceback__)
    inner = [f for f in frames if is_local(f.filename) and f.filename != source.path]
    if not inner:
        return "importing it"
    name = os.path.basename(inner[-1].filename)
    return f"importing {name.removesuffix('.py')} ({name}:{inner[-1].lineno})"


def _import_line(tree: ast.Module, name: str) -> int:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(f"{node.module}.{n}" for n in names)]
            if any(n == name or n.startswith(name + ".") for n in names):
                return node.lineno
    return 0
