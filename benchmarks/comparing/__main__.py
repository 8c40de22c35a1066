"""The share of pairs of which each answer is right: ``python -m benchmarks.comparing``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.comparing.pairs import PAIRS, Pair
from bnlint.comparing.showing.comparison_json import document
from bnlint.comparing.sides import Tracing
from bnlint.comparing.targets import compare_files
from bnlint.config import load_settings
from bnlint.report import RenderOptions


def answer(pair: Pair, folder: Path, tracing: Tracing) -> dict[str, Any]:
    """What ``bnlint compare`` says of a pair."""
    old, new = (folder / f"{pair.name.replace('-', '_')}_{side}.py" for side in ("old", "new"))
    for path, text in zip((old, new), pair.sources(), strict=True):
        path.write_text(text)
    given = [pair.input] if pair.input else []
    tracing.settings = load_settings(
        {"paths": [], "inputs": given, "cache": False, "isolated": True}
    )
    report = compare_files(tracing, str(old), str(new))
    found = document(report, RenderOptions())
    wanted = [c for c in found["comparisons"] if c["model"] not in ("Block", "RMSNorm", "Base")]
    return wanted[0] if wanted else {"error": f"no comparison: {found['problems']}"}


def judge(pair: Pair, said: dict[str, Any]) -> dict[str, bool]:
    """Which answers are right."""
    if "error" in said:
        return dict.fromkeys(
            ("verdict", "checkpoint", "function", "renames", "no false equal"), False
        )
    checkpoint, function = said["checkpoint"] or {}, said["function"] or {}
    renamed = {(r["old"], r["new"]) for r in checkpoint.get("renamed", ())}
    wanted = all(any(o.startswith(f"{a}.") or o == a for o, _ in renamed) and all(
        n == b + o.removeprefix(a) for o, n in renamed if o == a or o.startswith(f"{a}."))
        for a, b in pair.renames)  # fmt: skip
    equal = function.get("equal")
    return {
        "verdict": said["verdict"] == pair.verdict,
        "checkpoint": checkpoint.get("loads") is pair.loads,
        "function": equal is pair.equal or (pair.equal is None and not equal),
        "renames": wanted and (bool(pair.renames) or not renamed),
        "no false equal": not (equal and not pair.equal),
    }


def main() -> None:
    chosen = [p for p in PAIRS if not sys.argv[1:] or p.name in sys.argv[1:]]
    right: Counter[str] = Counter()
    settings = load_settings({"paths": [], "cache": False, "isolated": True})
    with tempfile.TemporaryDirectory() as name, Tracing(settings) as tracing:
        for pair in chosen:
            said = answer(pair, Path(name), tracing)
            judged = judge(pair, said)
            right.update(key for key, good in judged.items() if good)
            wrong = [key for key, good in judged.items() if not good]
            if wrong or sys.argv[1:]:
                print(f"{pair.name}: {', '.join(wrong)}; {json.dumps(said)[:1500]}", flush=True)
    for key, count in right.items():
        print(f"{key}: {count} of {len(chosen)} ({count / len(chosen):.1%})")


if __name__ == "__main__":
    main()
