"""Turn what a diff brings into review comments, as GitHub's pull-request API takes them.

    python examples/review/review.py --since origin/main... src > review.json
    gh api repos/OWNER/REPO/pulls/NUMBER/reviews --input review.json

A comment stands at the finding's line when that is a part of the diff, else at a layer that takes
part and is; what has no line in the diff goes into the text of the review. With ``--fixes`` (needs
``bnlint[fix]``), proved fixes become suggestions that can be taken with a click. With
``--compare``, the text also says what the diff does to each model: checkpoints, outputs, cost.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bnlint

HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")

Lines = Mapping[str, frozenset[int]]
"""The lines that can be commented on, by path from the top of the repository."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", default=["."])
    parser.add_argument(
        "--since", required=True, help="a revision; main... compares as GitHub does"
    )
    parser.add_argument("--fixes", action="store_true", help="suggest fixes (takes longer)")
    parser.add_argument("--compare", action="store_true", help="compare old and new models")
    given = parser.parse_args()
    settings = {"diff": True, "unsafe_fixes": True} if given.fixes else {}
    report = bnlint.check(given.paths, since=given.since, **settings)
    top = Path(git("rev-parse", "--show-toplevel").strip())
    found = review(report, diff_lines(given.since), top)
    if given.compare:
        found["body"] += "\n\n" + compared(given.since, given.paths)
    print(json.dumps(found, indent=2))


def compared(revision: str, paths: Sequence[str]) -> str:
    """What ``bnlint compare`` says about the models, as Markdown."""
    command = [sys.executable, "-m", "bnlint", "compare", revision, *paths, "--format=markdown"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.stdout or f"bnlint compare: {done.stderr.strip()}"


def review(report: bnlint.Report, lines: Lines, top: Path) -> dict[str, Any]:
    """The review: one comment a finding, and a text that holds the rest."""
    comments, rest = [], []
    for finding in report.findings:
        comment = comment_on(finding, lines, top)
        if comment:
            comments.append(comment)
        else:
            rest.append(f"- `{finding.location.path}:{finding.location.line}` {text_of(finding)}")
    unchecked = [f"- not checked: `{p.file}`: {p.message}" for p in report.problems if p.blocking]
    count = len(report.findings)
    body = [
        f"bnlint: {count} finding{'' if count == 1 else 's'} in what changed.",
        *rest,
        *unchecked,
    ]
    return {"event": "COMMENT", "body": "\n".join(body), "comments": comments}


def comment_on(finding: bnlint.Finding, lines: Lines, top: Path) -> dict[str, Any] | None:
    """The comment, or None when no place of the finding is in the diff."""
    suggested = suggestion(finding, lines, top)
    if suggested:
        return suggested
    for at in (finding.location, *(r.location for r in finding.related if r.location)):
        path = from_top(at.path, top)
        if at.line in lines.get(path, ()):
            return {"path": path, "line": at.line, "side": "RIGHT", "body": text_of(finding)}
    return None


def suggestion(finding: bnlint.Finding, lines: Lines, top: Path) -> dict[str, Any] | None:
    """The comment whose body replaces the lines of the finding's fix, when all are in the diff."""
    if finding.fix is None or len({e.location.path for e in finding.fix.edits}) != 1:
        return None
    edits = sorted(finding.fix.edits, key=lambda e: e.location, reverse=True)
    first, last = min(e.location.line for e in edits), max(e.location.end_line for e in edits)
    path = from_top(edits[0].location.path, top)
    if not lines.get(path, frozenset()).issuperset(range(first, last + 1)):
        return None
    with tokenize.open(top / path) as file:  # in the encoding that the file declares
        text = file.read().splitlines()
    before = len(text)
    for edit in edits:  # from the end to the start, so that positions stay true
        at = edit.location
        head, tail = text[at.line - 1][: at.column - 1], text[at.end_line - 1][at.end_column - 1 :]
        text[at.line - 1 : at.end_line] = (head + edit.replacement + tail).split("\n")
    block = "\n".join(text[first - 1 : last + len(text) - before])
    if "```" in block:  # it would end the suggestion
        return None
    comment: dict[str, Any] = {"path": path, "line": last, "side": "RIGHT"}
    if first < last:
        comment |= {"start_line": first, "start_side": "RIGHT"}
    note = f"{text_of(finding)}\n\n{finding.fix.message} ({finding.fix.safety})"
    return comment | {"body": f"{note}\n\n```suggestion\n{block}\n```"}


def text_of(finding: bnlint.Finding) -> str:
    return f"**{finding.rule}** {finding.name} ({finding.severity.value}): {finding.message}"


def from_top(path: str, top: Path) -> str:
    absolute = Path(path).resolve()
    return absolute.relative_to(top).as_posix() if absolute.is_relative_to(top) else path


def diff_lines(revision: str) -> Lines:
    """The lines that a diff against ``revision`` shows: those that GitHub lets us comment on."""
    base = revision.removesuffix("...")
    since = ["--merge-base", base] if revision.endswith("...") else [base]
    text = git("-c", "core.quotePath=false", "diff", "--no-color", "--no-ext-diff", *since, "--")
    return dict(parse(text.split("\n")))


def parse(diff: Sequence[str]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    path, head = "", True
    for line in diff:
        if line.startswith("diff --git "):
            head = True
        elif head and line.startswith("+++ "):
            path = line[4:].rstrip("\t").removeprefix("b/")
        elif hunk := HUNK.match(line):
            head = False
            start, count = int(hunk[1]), int(hunk[2] or 1)
            found.setdefault(path, set()).update(range(start, start + count))
    return {path: frozenset(numbers) for path, numbers in found.items()}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return done.stdout


if __name__ == "__main__":
    try:
        main()
    except bnlint.BnlintError as error:
        raise SystemExit(str(error)) from None
