"""Source mended in this process: traced, edited and proved as a run would, without a worker."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from functools import cache
from types import ModuleType

import torch

from bnlint.config import Settings
from bnlint.domain.finding import Finding, Severity
from bnlint.domain.graph import ModelGraph
from bnlint.domain.request import TraceOutcome, TraceRequest, TrialRequest, TrialResult
from bnlint.domain.rule import Rule
from bnlint.edits.syntax import SourceText
from bnlint.engine.catalogue import built_in_files, load_rules
from bnlint.engine.check import check_graph
from bnlint.fixes.choose import choose
from bnlint.fixes.propose import Key, key_of
from bnlint.fixes.workspace import Look, Seen, Texts
from bnlint.loading.parsing import Source, read
from bnlint.models.workshop import Workshop
from bnlint.tracing.file import trace_source
from bnlint.tracing.trial import LIMIT, try_models

PATH = os.path.realpath("net.py")
_FACTS = Settings().for_rules()


@cache
def rules() -> tuple[Rule, ...]:
    """The rules that have a fix: what others come to say must not decide these tests."""
    return tuple(rule for rule in load_rules(built_in_files()) if rule.fix_safety)


class InProcess:
    """What the proof needs of a session, for one file that is on no disk."""

    def look(self, text: SourceText) -> Look:
        graphs = trace_source(text.plain, PATH)
        seen = tuple(Seen(g, self.findings(g)) for g in graphs)
        return Look(PATH, seen, (), frozenset([PATH]))

    def findings(self, graph: ModelGraph) -> tuple[Finding, ...]:
        return check_graph(graph, rules(), _FACTS).findings

    def look_again(
        self, looks: Sequence[Look], texts: Texts, changed: frozenset[str]
    ) -> tuple[Look, ...]:
        return (self.look(texts[PATH]),) if PATH in changed else tuple(looks)

    def request(self, number: int, texts: Texts) -> TraceRequest:
        return TraceRequest(PATH, text=texts[PATH].plain)

    def trace(self, requests: Sequence[TrialRequest]) -> list[TraceOutcome]:
        return [TraceOutcome(PATH, trials=tuple(_tried(r))) for r in requests]


def _tried(request: TrialRequest) -> Iterable[TrialResult]:
    text, models = request.file.text, request.file.models
    assert text is not None
    torch.manual_seed(0)
    random.seed(0)
    source = read(PATH, text)
    assert isinstance(source, Source)
    module = ModuleType("net")
    exec(compile(text, PATH, "exec"), vars(module))
    yield from try_models(Workshop(module, source, LIMIT), models, request.trial)


def mend(code: str, *wanted: str, rounds: int = 4) -> tuple[str, dict[str, str]]:
    """The code with the findings of the wanted rules mended, and by layer why others are not."""
    session = InProcess()
    texts: Texts = {PATH: SourceText(PATH, code)}
    looks: tuple[Look, ...] = (session.look(texts[PATH]),)
    found = [(key_of(k, f), f) for k in looks for s in k.seen for f in s.findings]
    assert any(f.rule in wanted for _, f in found), f"found only {[f.rule for _, f in found]}"
    refused: dict[str, str] = {}

    def is_wanted(key: Key, finding: Finding) -> bool:
        return finding.rule in wanted and finding.severity is not Severity.INFO

    for _ in range(rounds):
        done = choose(session, looks, texts, is_wanted)  # type: ignore[arg-type]
        refused |= {key[3]: reason for key, reason in done.refused.items()}
        if not done.held:
            break
        texts, looks = done.texts, done.looks
    return texts[PATH].text, refused
