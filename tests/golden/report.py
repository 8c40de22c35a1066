"""One report with every feature a format may have to show; built by hand, rendered in each."""

from __future__ import annotations

from bnlint.domain.finding import (
    Edit,
    Evidence,
    Finding,
    Fix,
    ModelSummary,
    Problem,
    ProblemKind,
    Related,
    Report,
    Severity,
    Undecided,
)
from bnlint.domain.graph import Inputs, Location, ModelRef, Opaque, Refusal, Trace
from bnlint.report import RenderOptions, RuleInfo

SOURCES = {
    "models/net.py": [
        "import torch.nn as nn",
        "",
        "class Nét(nn.Module):",
        "    def __init__(self):",
        "\tself.größe = nn.Sequential(*[nn.Conv2d(8, 8, 3) for _ in range(4)])",
        "        self.bn = nn.BatchNorm2d(16)  # 正規化",
    ],
    "odd, name:1.py": ["norm = '正規化'; bn = BatchNorm1d(3)"],
}

RULES = {
    "BN201": RuleInfo(
        "BN201",
        "channel-mismatch",
        Severity.ERROR,
        "num_features differs from the channels that arrive",
        why="A batch norm keeps two numbers for each channel.",
        instead="Pass the number of channels of the layer before.",
    ),
    "BN301": RuleInfo(
        "BN301",
        "redundant-bias",
        Severity.WARNING,
        "a bias is added and then subtracted again by the batch mean",
        why="The batch mean takes the bias away.",
        evidence="The output does not change when the bias does.",
        instead="Pass bias=False.",
        references=("Ioffe and Szegedy 2015, section 3.2",),
    ),
}


def golden_report() -> Report:
    return Report(
        findings=_findings(),
        problems=(
            Problem(
                ProblemKind.IMPORT_FAILED,
                "bad.py",
                "ModuleNotFoundError: no module named 'nowhere'\nimported by bad.py",
                "install it, or leave this file out",
                line=3,
                blocking=True,
            ),
            Problem(
                ProblemKind.OPAQUE_PART, "models/net.py", "gate: bool(Proxy)", line=9, model="Nét"
            ),
        ),
        models=(
            _model("models/net.py", "Nét", "symbolic", Inputs("mined", ((1, 3, 32, 32),), ("",))),
            _model("odd, name:1.py", "build(width=2)", "recorded", Inputs()),
            _model("clean.py", "Clean", "symbolic", Inputs()),
        ),
        undecided=(Undecided("BN201", 4, ("shape unknown",)), Undecided("BN202", 1)),
        suppressed=2,
        baselined=1,
        unchanged=2,
        files=4,
        skipped=1,
        torch="2.13.0",
        durations={"trace": 1.25, "rules": 0.25},
        by_hand=("bad.py",),
    )


def _findings() -> tuple[Finding, ...]:
    loop = Location("models/net.py", 5, 31, 5, 49)
    return (
        Finding(
            "BN301",
            "redundant-bias",
            Severity.WARNING,
            "größe.0 has a bias that bn cancels; pass bias=False (the same line also builds "
            "größe.1, größe.2, größe.3)",
            loop,
            "Nét",
            "größe.0",
            related=(
                Related("bn", Location("models/net.py", 6, 19), "bn takes the bias away"),
                Related("relu()", None, "nothing else reads it"),
            ),
            count=4,
            fingerprint="0123456789abcdef0123456789abcdef",
            fix=Fix(
                "pass bias=False",
                "unsafe",
                (Edit(Location("models/net.py", 5, 48, 5, 48), ", bias=False"),),
            ),
            evidence=Evidence("the output changes by 3e-8 when the bias does", {"change": 3e-8}),
        ),
        Finding(
            "BN201",
            "channel-mismatch",
            Severity.ERROR,
            "bn expects 16 channels and gets 8:\n100% of calls fail",
            Location("models/net.py", 6, 19),
            "Nét",
            "bn",
            fingerprint="11111111111111111111111111111111",
        ),
        Finding(
            "BN900",
            "unused-suppression",
            Severity.INFO,
            "nothing here is held back by 'BN301' & <more> \x1b[31m",
            Location("odd, name:1.py", 1, 17, 1, 28),
            "",
            "",
            fingerprint="22222222222222222222222222222222",
        ),
    )


def _model(file: str, name: str, tracer: str, inputs: Inputs) -> ModelSummary:
    ref = ModelRef(
        file, name, "class", inputs=inputs, guessed=("width",) if "build" in name else ()
    )
    opaque = (Opaque("gate", "bool(Proxy)", Location(file, 9)),) if name == "Nét" else ()
    refusals = (Refusal("symbolic", "*args at the root"),) if tracer == "recorded" else ()
    return ModelSummary(ref, Trace(tracer, not opaque, opaque, refusals), 41, 8, 272474)


def golden_options(**changes: object) -> RenderOptions:
    settings: dict[str, object] = {
        "rules": RULES,
        "version": "0.1.0",
        "lines": lambda path: SOURCES.get(path, []),
    }
    return RenderOptions(**{**settings, **changes})  # type: ignore[arg-type]
