"""What the user asks to compare: revisions, two files, or a model and a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bnlint.comparing.checkpoints import compare_checkpoint, is_checkpoint
from bnlint.comparing.dependents import dependents
from bnlint.comparing.exported import exported
from bnlint.comparing.git_commands import ChangedFile, Repository, Version
from bnlint.comparing.sides import TracedFile, TracedModel, Tracing, Tree
from bnlint.comparing.story import compare_models, compare_pair
from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Problem, ProblemKind
from bnlint.domain.model_comparison import ComparisonReport, ModelComparison
from bnlint.domain.phrases import below, plural

_SUFFIXES = (".py", ".ipynb")
_MOST_DEPENDENTS = 60


def compare(settings: Settings, words: Sequence[str], *, staged: bool = False) -> ComparisonReport:
    """The report on what ``words`` ask for, as on the command line.

    Raises
    ------
    UsageError
        When the words name neither revisions nor files that can be compared.

    """
    with Tracing(settings) as tracing:
        if len(words) == 2 and all(map(_is_file, words)):
            if is_checkpoint(words[1]):
                return compare_checkpoint(tracing, _here(settings), words[0], words[1])
            return compare_files(tracing, words[0], words[1])
        return _compare_revisions(tracing, words, staged)


def _is_file(word: str) -> bool:
    name, separator, _ = word.partition("::")
    return bool(separator) or Path(name).is_file()


def _here(settings: Settings) -> Tree:
    return Tree("", Path.cwd(), Path(settings.root), Path.cwd())


# --- two files ---


def compare_files(tracing: Tracing, old: str, new: str) -> ComparisonReport:
    """The models of two files; if both name one model each, whatever they are called."""
    tree = _here(tracing.settings)
    before, after = (tracing.files(tree, [target]) for target in (old, new))
    left, right = ([m for file in side for m in file.models] for side in (before, after))
    files = {o.file: n.file for o, n in zip(before, after, strict=False)}
    if all("::" in word for word in (old, new)) and len(left) == len(right) == 1:
        found = [compare_pair(tracing, left[0], right[0])]
    else:
        found = compare_models(tracing, left, right, files)
    return _report(found, [*before, *after])


def _report(
    found: Sequence[ModelComparison],
    files: Sequence[TracedFile],
    problems: Sequence[Problem] = (),
    names: tuple[str, str] = ("", ""),
) -> ComparisonReport:
    said = [*problems, *(problem for file in files for problem in file.problems)]
    torch = next((file.torch for file in files if file.torch), "")
    return ComparisonReport(tuple(found), tuple(dict.fromkeys(said)), torch, *names)


# --- revisions ---


def _compare_revisions(tracing: Tracing, words: Sequence[str], staged: bool) -> ComparisonReport:
    repository = Repository(Path.cwd())
    if not words:
        hint = "name a revision or two files: bnlint compare main"
        raise UsageError(Mistake("nothing to compare", hint=hint))
    if not repository.knows("HEAD"):
        reason = "there is no commit to compare with yet"
        return ComparisonReport(problems=(Problem(ProblemKind.SKIPPED_CODE, words[0], reason),))
    revisions, paths = _split(repository, words)
    old, new = repository.versions(revisions, staged=staged)
    with ExitStack() as stack:
        trees, problems = [], list[Problem]()
        for version in (old, new):
            folder, said = repository.top, list[Problem]()
            if not version.on_disk:
                folder, said = stack.enter_context(exported(repository, version))
            trees.append(_tree(tracing.settings, repository.top, folder, version))
            problems += said
        changed = _wanted(repository, old, new, trees[1], paths, problems)
        files, before, after = _trace(tracing, trees, changed)
        left, right = ([m for f in side for m in f.models] for side in (before, after))
        left, right = _missing_parts(tracing, left, right, files)
        found = compare_models(tracing, left, right, files)
    return _report(found, [*before, *after], problems, (old.name, new.name))


def _split(repository: Repository, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The revisions, which come first, and the paths."""
    first, *rest = words
    if ".." not in first and rest and not Path(rest[0]).exists() and repository.knows(rest[0]):
        return [first, rest[0]], rest[1:]
    return [first], rest


def _tree(settings: Settings, top: Path, folder: Path, version: Version) -> Tree:
    """The same folders of another version of the repository."""

    def there(path: Path) -> Path:
        path = path.resolve()
        inside = path.is_relative_to(top.resolve())
        return folder / path.relative_to(top.resolve()) if inside else folder

    return Tree(version.name, there(Path.cwd()), there(Path(settings.root)), folder)


def _wanted(
    repository: Repository,
    old: Version,
    new: Version,
    new_tree: Tree,
    paths: Sequence[str],
    problems: list[Problem],
) -> list[ChangedFile]:
    """The files with models that the change touches, below ``paths`` if there are any."""
    changed = [f for f in repository.changed(old, new) if (f.new or f.old).endswith(_SUFFIXES)]
    listed = repository.tracked() if new.on_disk else [e.path for e in repository.entries(new)]
    sources = [path for path in listed if path.endswith(_SUFFIXES)]
    touched = {f.new for f in changed if f.new} | {f.old for f in changed if f.old}
    more = [p for p in dependents(new_tree.top, sources, touched) if p not in touched]
    chosen = [_from_top(path, repository) for path in paths]
    found = [*changed, *(ChangedFile(path, path) for path in more)]
    if chosen:
        found = [f for f in found if any(_below(p, chosen) for p in (f.new, f.old) if p)]
        known = {f.new for f in found}
        named = [p for p in sources if p in chosen and p not in known]
        return [*found, *(ChangedFile(path, path) for path in named)]
    if len(more) > _MOST_DEPENDENTS:
        said = f"{plural(len(more), 'file')} import what changed; "
        said += f"only {_MOST_DEPENDENTS} of them were compared"
        hint = "name the files or folders to compare after the revision"
        problems.append(Problem(ProblemKind.SKIPPED_CODE, old.name, said, hint))
        found = found[: len(changed) + _MOST_DEPENDENTS]
    return found


def _from_top(path: str, repository: Repository) -> str:
    name = path.partition("::")[0]
    return below(Path(name).resolve(), repository.top.resolve())


def _below(path: str, chosen: Sequence[str]) -> bool:
    return any(each in (".", path) or path.startswith(f"{each}/") for each in chosen)


def _trace(
    tracing: Tracing, trees: Sequence[Tree], changed: Sequence[ChangedFile]
) -> tuple[dict[str, str], list[TracedFile], list[TracedFile]]:
    """The new path of each old file, and both sides traced."""
    old, new = trees
    files = {_shown(old, f.old): _shown(new, f.new) for f in changed if f.old and f.new}
    before = tracing.files(old, [str(old.top / f.old) for f in changed if f.old], sift=True)
    after = tracing.files(new, [str(new.top / f.new) for f in changed if f.new], sift=True)
    return files, before, after


def _shown(tree: Tree, path: str) -> str:
    return tree.shown(str(tree.top / path)) if path else ""


def _missing_parts(
    tracing: Tracing,
    old: list[TracedModel],
    new: list[TracedModel],
    files: dict[str, str],
) -> tuple[list[TracedModel], list[TracedModel]]:
    """Both sides, with models that one of them has only as a part of a bigger one."""
    back = {after: before for before, after in files.items()}
    for here, there, names in ((old, new, files), (new, old, back)):
        known = {(m.file, m.name) for m in there}
        for model in list(here)[:_MOST_DEPENDENTS]:
            file = names.get(model.file, "")
            beside = next((m for m in there if m.file == file), None)
            if beside is not None and (file, model.name) not in known:
                there += tracing.again(beside, model.name)
    return old, new
