"""What people and programs read about rules and metrics: pages, a table, and data.

The rules are those of the run: bnlint's own, those about comments, and the user's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bnlint.config import Settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.phrases import did_you_mean
from bnlint.pipeline.rulebook import explained_rules, weights

if TYPE_CHECKING:
    from bnlint.domain.rule import Rule
    from bnlint.probing.judging.metric import Metric

PAGES = "docs/rules/"
"""Where the documentation keeps the page of a rule: ``docs/rules/BN301.md``."""

_BARE_URL = re.compile(r"(?<![<(\"'`])https?://[^\s<>\"'`)\]]*[^\s<>\"'`)\].,;:]")
_ARXIV = re.compile(r"(?<![\w/])arXiv:(\d+\.\d+)")
_FENCE = "```"


def explain(settings: Settings, word: str) -> str:
    """The page of the rule or metric with this id or name; raises UsageError for an unknown one."""
    from bnlint.engine.explain import explain as page

    rules = explained_rules(settings)
    for rule in rules:
        if word.upper() == rule.id or word.lower() == rule.name:
            return page(rule)
    by_name = _metrics()
    if found := by_name.get(word.lower()):
        from bnlint.probing.judging.pages import page as metric_page

        return metric_page(found)
    words = [*(w for r in rules for w in (r.id, r.name)), *by_name]
    raise UsageError(Mistake(f"no rule is called '{word}'", hint=did_you_mean(word, words)))


def pages(settings: Settings) -> Mapping[str, str]:
    """Every page by its file name (``BN301.md``), and an index with the tables."""
    from bnlint.engine.explain import explain as page
    from bnlint.probing.judging.pages import page as metric_page

    found = {f"{rule.id}.md": page(rule) for rule in explained_rules(settings)}
    found |= {_file(m): metric_page(m) for m in dict.fromkeys(_metrics().values())}
    found["index.md"] = f"# Rules and metrics\n\n{markdown(settings, '')}"
    return {name: _linked(text) for name, text in found.items()}


def markdown(settings: Settings, folder: str = PAGES) -> str:
    """Tables of the rules and of the metrics, each linked to its page in ``folder``."""
    weighed = weights(settings)
    rules = [
        (
            f"[{r.id}]({folder}{r.id}.md)",
            f"`{r.name}`",
            weighed[r.id],
            r.fix_safety,
            _cell(r.summary),
        )
        for r in explained_rules(settings)
    ]
    metrics = [
        (f"[{m.name}]({folder}{_file(m)})", m.severity.value, _cell(m.definition))
        for m in dict.fromkeys(_metrics().values())
    ]
    first = _table(("Rule", "Name", "Severity", "Fix", "What it reports"), rules)
    second = _table(("Metric", "Severity", "What is measured"), metrics)
    return f"{first}\n\nThe metrics of `bnlint probe`:\n\n{second}\n"


def data(settings: Settings) -> dict[str, Any]:
    """The rules and metrics as data for JSON; ``severity`` is that of a run with the settings."""
    weighed = weights(settings)
    return {
        "version": 1,
        "rules": [_rule(rule, weighed[rule.id]) for rule in explained_rules(settings)],
        "metrics": [_metric(metric) for metric in dict.fromkeys(_metrics().values())],
    }


def metric_names() -> tuple[str, ...]:
    """The names of all metrics of the probe."""
    return tuple(dict.fromkeys(metric.name for metric in _metrics().values()))


def _metrics() -> dict[str, Metric]:
    """The metrics by the names they are asked for: with and without the prefix of a rule."""
    from bnlint.probing.judging.metric import PREFIX, metrics

    return {word: m for m in metrics() for word in (m.name, f"{PREFIX}{m.name}")}


def _file(metric: Metric) -> str:
    from bnlint.probing.judging.metric import PREFIX

    return f"{PREFIX}{metric.name}.md"


def _rule(rule: Rule, weight: str) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "summary": rule.summary,
        "severity": weight,
        "default": rule.severity.value if rule.enabled else "off",
        "fix": rule.fix_safety or None,
        "why": rule.docs.why.strip(),
        "evidence": rule.docs.evidence.strip(),
        "instead": rule.docs.instead.strip(),
        "exceptions": [exception.because for exception in rule.unless],
        "references": list(rule.docs.references),
    }


def _metric(metric: Metric) -> dict[str, Any]:
    names = ("name", "definition", "default", "why", "remedy", "source")
    return {
        **{name: getattr(metric, name) for name in names},
        "severity": metric.severity.value,
    }


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (heads, ("---",) * len(heads), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _linked(page: str) -> str:
    """The page with its bare addresses as links, which not every markdown makes of them."""
    parts = page.split(_FENCE)
    parts[::2] = map(_with_links, parts[::2])
    return _FENCE.join(parts)


def _with_links(text: str) -> str:
    text = _BARE_URL.sub(lambda found: f"<{found[0]}>", text)
    return _ARXIV.sub(lambda found: f"[{found[0]}](https://arxiv.org/abs/{found[1]})", text)
