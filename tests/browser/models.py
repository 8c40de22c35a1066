"""Hand-built models of every size, and the pages about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bnlint.domain.finding import Finding, ModelSummary, Report, Severity
from bnlint.domain.graph import Location, ModelGraph
from bnlint.report import RenderOptions, RuleInfo, render
from tests.unit.graphs import Builder

NASTY = "</script><script>document.title='broken'</script><b>&amp;\"'`${x}{{data}}"
RULE = RuleInfo("BN301", "redundant-bias", Severity.WARNING, "a bias too many", why=NASTY)


def five() -> ModelGraph:
    return Builder(name="Five").chain("input", "conv2d", "batchnorm2d", "relu", "linear").build()


def residual(blocks: int, name: str = "Residual") -> ModelGraph:
    """Blocks of eight operations, each around a skip connection."""
    net = Builder(name=name)
    last = net.add("input", "x", module="", shape=(1, 16, 32, 32))
    for n in range(blocks):
        at, start = f"body.{n}", last
        for kind, layer in (("conv2d", "conv1"), ("batchnorm2d", "bn1"), ("relu", "relu1")):
            last = net.add(kind, f"{at}.{layer}", reads=(last,), shape=(1, 16, 32, 32))
        last = net.add("conv2d", f"{at}.conv2", reads=(last,), shape=(1, 16, 32, 32))
        last = net.add("batchnorm2d", f"{at}.bn2", reads=(last,), shape=(1, 16, 32, 32))
        side = net.add("conv2d", f"{at}.down.0", reads=(start,), shape=(1, 16, 32, 32))
        side = net.add("batchnorm2d", f"{at}.down.1", reads=(side,), shape=(1, 16, 32, 32))
        last = net.add("add", f"{at}.add()", module=at, reads=(last, side), tags="add")
    return net.build()


def dense(layers: int) -> ModelGraph:
    """Every layer reads all before it, from a list that no forward calls."""
    net = Builder(name="Dense")
    seen = [net.add("input", "x", module="")]
    for n in range(layers):
        cat = net.add("concat", f"cat{n}()", module="", reads=tuple(seen), tags="concat")
        norm = net.add("batchnorm2d", f"layers.{n}.norm", reads=(cat,))
        seen.append(net.add("conv2d", f"layers.{n}.conv", reads=(norm,)))
    return net.build()


def flat(layers: int) -> ModelGraph:
    net = Builder(name="Flat")
    net.add("input", "x", module="")
    for n in range(layers):
        net.add(("conv2d", "batchnorm2d", "relu")[n % 3], f"net.{n}")
    return net.build()


def wide(branches: int) -> ModelGraph:
    """Branches side by side, one in two of them a module of two operations, joined at the end."""
    net = Builder(name="Wide")
    start = net.add("input", "x", module="")
    ends = []
    for n in range(branches):
        last = net.add("conv2d", f"branch{n}.conv" if n % 2 else f"conv{n}", reads=(start,))
        ends.append(net.add("relu", f"branch{n}.act", reads=(last,)) if n % 2 else last)
    net.add("concat", "cat()", module="", reads=tuple(ends), tags="concat")
    return net.build()


def finding(model: str, layer: str, **changes: object) -> Finding:
    made = Finding(
        "BN301", "redundant-bias", Severity.WARNING, NASTY, Location("net.py", 3, 5), model, layer
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def report(graphs: Sequence[ModelGraph], findings: Sequence[Finding] = ()) -> Report:
    models = tuple(ModelSummary(g.ref, g.trace, len(g.ops), 1, g.parameters) for g in graphs)
    return Report(findings=tuple(findings), models=models, graphs=tuple(graphs))


def page(folder: Path, made: Report, **options: object) -> Path:
    settings = {"rules": {"BN301": RULE}, "root": str(folder), "version": "0", **options}
    path = folder / "page.html"
    text = render("html", made, RenderOptions(**settings))  # type: ignore[arg-type]
    path.write_text(text, encoding="utf-8")
    return path
