"""Check files of repositories and count: ``python -m benchmarks.real_files FOLDER LIST``.

FOLDER holds a checkout of each repository; each line of LIST is ``CHECKOUT/path/to/file.py``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from .document import write_document
from .funnel import STAGES, funnel, outcome
from .run import Run, run_file
from .source import read_source


def main() -> None:
    """Run bnlint on every file, keep what it said if asked to, and write the document."""
    given = _arguments()
    files = given.list.read_text(encoding="utf-8").split("\n")
    runs = []
    for run in _runs(given, [file for file in files if file]):
        runs.append(run)
        if sys.stderr.isatty():
            print(f"\r{len(runs)}: {run.file:60.60}", end="", file=sys.stderr)
    outcomes = [outcome(run, read_source(given.folder / run.file)) for run in runs]
    if given.out:
        write_document(given.out, runs, outcomes)
    counts = funnel(o for o in outcomes if o is not None)
    print(f"{sum(o is not None for o in outcomes)} files with a model")
    print("\n".join(f"{n:5} {stage}" for stage, n in zip(STAGES, counts, strict=True)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_files", description=__doc__)
    parser.add_argument("folder", type=Path, help="the checkouts")
    parser.add_argument("list", type=Path, help="the files, one a line")
    parser.add_argument("--out", type=Path, help="the document to write")
    parser.add_argument("--rows", type=Path, help="where runs are kept; what is there is not rerun")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--bnlint", type=Path, default=Path(sys.executable).with_name("bnlint"))
    return parser.parse_args()


def _runs(given: argparse.Namespace, files: list[str]) -> Iterator[Run]:
    with ThreadPoolExecutor(given.jobs) as pool:
        yield from pool.map(lambda file: _kept_or_run(given, file), files)


def _kept_or_run(given: argparse.Namespace, file: str) -> Run:
    if given.rows is None:
        return run_file(given.bnlint, given.folder, file)
    given.rows.mkdir(parents=True, exist_ok=True)
    kept = given.rows / f"{file.replace('/', '+')}.json"
    if kept.exists():
        return Run(**json.loads(kept.read_text(encoding="utf-8")))
    run = run_file(given.bnlint, given.folder, file)
    kept.write_text(json.dumps(asdict(run)), encoding="utf-8")
    return run


if __name__ == "__main__":
    main()
