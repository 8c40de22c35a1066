"""Run the zoo and write its document: ``python -m benchmarks.zoo [FAMILY ...]``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from bnlint.engine.catalogue import built_in_files, load_rules, select_rules

from .document import write_document
from .families import FAMILIES
from .measure import Row, measure_all

FOLDER = Path(__file__).parent


def main() -> None:
    """Measure the families named (all by default), keep their rows, and write the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("families", nargs="*", help=", ".join(FAMILIES))
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only every N-th model")
    parser.add_argument("--rows", type=Path, default=FOLDER / "rows", help="where rows are kept")
    parser.add_argument("--document", type=Path, default=FOLDER / "ZOO.md")
    parser.add_argument(
        "--weights", type=int, default=0, metavar="N",
        help="build models of up to N parameters with their initial values, for BN501 to BN505",
    )  # fmt: skip
    given = parser.parse_args()
    rules = select_rules(load_rules(built_in_files()))
    given.rows.mkdir(exist_ok=True)
    for family in given.families or FAMILIES:
        started = time.monotonic()
        entries = list(FAMILIES[family]())[:: given.every]
        rows = []
        for row in measure_all(family, entries, rules, given.jobs, given.weights):
            rows.append(row)
            if sys.stderr.isatty():
                done = f"{family}: {len(rows)}/{len(entries)} {row.name:50.50}"
                print(f"\r{done}", end="", file=sys.stderr)
        seconds = time.monotonic() - started
        print(f"{family}: {len(rows)} models in {seconds:.0f} s{'':50}", file=sys.stderr)
        data = {"seconds": seconds, "rows": [asdict(r) for r in sorted(rows, key=lambda r: r.name)]}
        (given.rows / f"{family}.json").write_text(json.dumps(data))
    kept = {p.stem: json.loads(p.read_text()) for p in sorted(given.rows.glob("*.json"))}
    write_document(
        given.document,
        {f: [Row(**r) for r in d["rows"]] for f, d in kept.items()},
        {f: d["seconds"] for f, d in kept.items()},
    )


if __name__ == "__main__":
    main()
