"""Faults put into good models by editing their source, and how many `bnlint --fix` takes back.

    python benchmarks/fix_planted.py [--limit N] [--only FAULT] [--models WORD] [--per-fault N]

Needs the `zoo` extra. Source files of torchvision, timm and pytorchcv are copied to a temporary
folder, so that they are a user's own files, and one fault at a time is put into a line that builds
or calls a layer; each line once for each kind of fault, however many models share it. A fault
counts as fixed when the graph of the model is again what it was before the fault: the same layers,
facts, shapes and edges, op by op. `other` is what must never be: a file that was changed to
something else. A fault on which no rule fires, or only as a hint or a convention (for which there
is no fix), is `unseen`; the share is taken of the others.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bnlint.config import Settings
from bnlint.domain.finding import Severity
from bnlint.domain.graph import ModelGraph, Op
from bnlint.edits import NoEdit, same_place
from bnlint.edits.arrangement import element, exchanged, wrapping
from bnlint.edits.syntax import SourceText, Splice, Syntax, are_apart, decode
from bnlint.fixes import workspace
from bnlint.fixes.apply import run
from bnlint.fixes.expect import unlike
from bnlint.fixes.workspace import Workspace

TORCHVISION = (
    "resnet::resnet18 densenet::densenet121 mnasnet::mnasnet0_5 googlenet::googlenet "
    "shufflenetv2::shufflenet_v2_x0_5 vgg::vgg11_bn inception::inception_v3 "
    "mobilenetv2::mobilenet_v2 mobilenetv3::mobilenet_v3_small efficientnet::efficientnet_b0 "
    "regnet::regnet_y_400mf"
)
TIMM = (
    "resnet::resnet18 vgg::vgg11_bn dla::dla34 hrnet::hrnet_w18_small selecsls::selecsls42 "
    "ghostnet::ghostnet_050 ghostnet::ghostnetv2_100 xception::legacy_xception "
    "inception_v4::inception_v4 inception_resnet_v2::inception_resnet_v2 levit::levit_128s "
    "efficientformer::efficientformer_l1 efficientformer_v2::efficientformerv2_s0 "
    "repvit::repvit_m0_9 repghost::repghostnet_050 tiny_vit::tiny_vit_5m_224 "
    "mobilenetv3::tf_mobilenetv3_small_minimal_100 vovnet::vovnet39a sknet::skresnet18 "
    "resnest::resnest14d res2net::res2net50_26w_4s senet::legacy_seresnet18 "
    "starnet::starnet_s1 shvit::shvit_s1 densenet::densenet121 fasternet::fasternet_t0 "
    "mobilevit::mobilevit_xxs pit::pit_ti_224 convit::convit_tiny visformer::visformer_tiny"
)
PYTORCHCV = (
    "resnet::resnet10 preresnet::preresnet10 densenet::densenet121 vgg::bn_vgg11b "
    "mobilenet::mobilenet_wd4 mobilenetv2::mobilenetv2_wd4 shufflenet::shufflenet_g1_wd4 "
    "squeezenext::sqnxt23_w1 darknet::darknet_tiny darknet53::darknet53 xception::xception "
    "dla::dla34 dpn::dpn68 ibnresnet::ibn_resnet50 senet::senet16 wrn::wrn50_2 "
    "menet::menet108_8x1_g3 igcv3::igcv3_wd4 peleenet::peleenet vovnet::vovnet27s "
    "ghostnet::ghostnet hardnet::hardnet39ds efficientnet::efficientnet_b0 mnasnet::mnasnet_small "
    "shufflenetv2::shufflenetv2_wd2 airnet::airnet50_1x64d_r2 bninception::bninception "
    "inceptionv3::inceptionv3 inceptionv4::inceptionv4 nasnet::nasnet_4a1056 dicenet::dicenet_wd5 "
    "proxylessnas::proxylessnas_cpu spnasnet::spnasnet fbnet::fbnet_cb "
    "resnet_cifar::resnet20_cifar10 densenet_cifar::densenet40_k12_cifar10 "
    "preresnet_cifar::preresnet20_cifar10 wrn_cifar::wrn16_10_cifar10 nin_cifar::nin_cifar10 "
    "pyramidnet_cifar::pyramidnet110_a48_cifar10 rir_cifar::rir_cifar10"
)


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault: what it is, where, and the file with it."""

    fault: str
    where: str
    text: SourceText


Planter = Callable[[Syntax, ModelGraph, Op], Iterator[tuple[Splice, ...]]]


def bias(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """`bias=False` turned round in front of a batch norm."""
    if not all(_feeds_norm(graph, each) for each in _built_with(graph, op)):
        return
    for arg in _arguments(syntax, op):
        if arg.keyword and arg.keyword.value == "bias" and syntax.text(arg.value) == "False":
            yield (Splice(*syntax.whole_span(arg.value), "True"),)


def channels(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A batch norm for twice the channels."""
    if "batchnorm" not in op.tags:
        return
    for arg in _arguments(syntax, op)[:1]:
        yield (Splice(*syntax.whole_span(arg.value), f"2 * ({syntax.text(arg.value)})"),)


def rank(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """BatchNorm1d where BatchNorm2d was."""
    node = syntax.call_at(op.construction)
    if "batchnorm2d" in op.tags and node is not None:
        text = syntax.text(node.func)
        if text.endswith("BatchNorm2d"):
            yield (syntax.replace(node.func, text.replace("2d", "1d")),)


def momentum(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """The momentum of another framework."""
    args = _arguments(syntax, op)
    if "batchnorm" in op.tags and args and "momentum" not in _keywords(args):
        end = syntax.whole_span(args[-1].value)[1]
        yield (Splice(end, end, ", momentum=0.9"),)


def eps(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A momentum where eps stands."""
    args = _arguments(syntax, op)
    if "batchnorm" in op.tags and len(args) == 1 and "momentum" not in _keywords(args):
        end = syntax.whole_span(args[-1].value)[1]
        yield (Splice(end, end, ", eps=0.9" if args[0].keyword else ", 0.9"),)


def order(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A norm and the activation behind it swapped, where they are listed or called."""
    following = _next(graph, op)
    if "batchnorm" not in op.tags or len(following) != 1:
        return
    act = following[0]
    together = [o for o in graph.ops if same_place(o.call, op.call) if op.call]
    if "activation" not in act.tags or not all(
        any("kernel" in p.tags for p in _previous(graph, each))
        for each in {
            o.id: o for o in (*together, *_built_with(graph, op)) if "norm" in o.tags
        }.values()
    ):
        return
    if op.call and act.call and not same_place(op.call, act.call):
        try:
            yield exchanged(wrapping(syntax, op), wrapping(syntax, act))
        except NoEdit:
            return
    elif syntax.call_at(op.construction) and syntax.call_at(act.construction):
        one, other = element(syntax, op), element(syntax, act)
        yield (
            syntax.replace(one, syntax.text(other)),
            syntax.replace(other, syntax.text(one)),
        )


def repeated(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A norm listed twice."""
    node = syntax.call_at(op.construction)
    if "batchnorm" not in op.tags or node is None:
        return
    holder = syntax.parent(syntax.parent(node))
    listed = isinstance(holder, syntax.cst.List) or (
        isinstance(holder, syntax.cst.Call) and syntax.text(holder.func).endswith("Sequential")
    )
    if listed:
        end = syntax.whole_span(node)[1]
        yield (Splice(end, end, f", {syntax.text(node)}"),)


def unused(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A layer that forward does not call."""
    node = syntax.call_at(op.construction)
    if not op.tags & {"batchnorm", "kernel"} or node is None:
        return
    above = syntax.parent(node)
    if isinstance(above, syntax.cst.Assign) and syntax.text(above.targets[0].target).startswith(
        "self."
    ):
        start = syntax.span(above)[0]
        indent = syntax.indentation(start)
        new = f"self.spare = {syntax.text(node)}{syntax.source.newline}{indent}"
        yield (Splice(start, start, new),)


def plain_list(syntax: Syntax, graph: ModelGraph, op: Op) -> Iterator[tuple[Splice, ...]]:
    """A ModuleList that is a list."""
    node = syntax.call_at(op.construction)
    holder = None if node is None else syntax.enclosing(node, syntax.cst.ClassDef)
    for call in syntax.nodes(syntax.cst.Call) if holder is not None else ():
        if not syntax.text(call.func).endswith("ModuleList") or len(call.args) > 1:
            continue
        if syntax.enclosing(call, syntax.cst.ClassDef) is holder:
            inner = syntax.text(call.args[0].value) if call.args else "[]"
            yield (syntax.replace(call, inner if call.args else "[]"),)


FAULTS: dict[str, tuple[str, Planter]] = {
    "redundant bias": ("BN301", bias),
    "channel mismatch": ("BN201", channels),
    "wrong rank": ("BN202", rank),
    "momentum convention": ("BN303", momentum),
    "eps is a momentum": ("BN305", eps),
    "norm after activation": ("BN101", order),
    "repeated norm": ("BN105", repeated),
    "unused layer": ("BN402", unused),
    "plain list": ("BN403", plain_list),
}


def _built_with(graph: ModelGraph, op: Op) -> list[Op]:
    """The layers that the same line builds: a fault must be one for all of them."""
    return [o for o in graph.ops if op.construction and same_place(o.construction, op.construction)]


def _feeds_norm(graph: ModelGraph, op: Op) -> bool:
    return any("batchnorm" in o.tags for o in _next(graph, op))


def _previous(graph: ModelGraph, op: Op) -> list[Op]:
    ops = {o.id: o for o in graph.ops}
    return [ops[e.source] for e in graph.edges if e.target == op.id]


def _next(graph: ModelGraph, op: Op) -> list[Op]:
    ops = {o.id: o for o in graph.ops}
    return [ops[t] for t in _readers(graph, op)]


def _readers(graph: ModelGraph, op: Op) -> list[str]:
    return [e.target for e in graph.edges if e.source == op.id]


def _arguments(syntax: Syntax, op: Op) -> list:  # type: ignore[type-arg]
    node = syntax.call_at(op.construction)
    args = [] if node is None else list(node.args)
    return [] if any(a.star for a in args) else args


def _keywords(args: list) -> set[str]:  # type: ignore[type-arg]
    return {a.keyword.value for a in args if a.keyword}


def copy_sources(folder: Path) -> Iterator[tuple[Path, str]]:
    """The libraries as a user's own packages, and the models to look at: file and factory."""
    # torchvision, which timm needs, is to import beside a torch without its compiled operators
    defining = Path(__file__).parent / "zoo" / "families" / "operators.py"
    operators = f"{defining.read_text()}\n\ndefine_torchvision_operators()\n"
    libraries = {"torchvision": TORCHVISION, "timm": TIMM, "pytorchcv": PYTORCHCV}
    for package, listed in libraries.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{package} is not installed: pip install 'bnlint[zoo]'")
        source, target = Path(spec.origin).parent / "models", folder / f"own_{package}"
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "__init__.py").write_text(operators)
        for file in target.rglob("*.py"):
            depth = len(file.relative_to(target).parts)
            text = re.sub(rf"from \.{{{depth + 1}}}(\w)", rf"from {package}.\1", file.read_text())
            file.write_text(text)
        for model in listed.split():
            name, _, factory = model.partition("::")
            if (target / f"{name}.py").exists():
                yield target / f"{name}.py", factory


def graph_of(paths: tuple[str, ...]) -> tuple[ModelGraph | None, tuple[str, ...]]:
    """The graph of the one model, and the files of the copies that it hangs on."""
    with Workspace(_settings(paths)) as opened:
        looks = opened.looks()
    seen = [s for look in looks for s in look.seen]
    depends = sorted({p for look in looks for p in look.depends})
    return (seen[0].graph if len(seen) == 1 else None), tuple(depends)


def _settings(paths: tuple[str, ...], fix: bool = False) -> Settings:
    return Settings(paths=paths, cache=False, fix=fix, unsafe_fixes=True, jobs=1, timeout=120.0)


def plant(graph: ModelGraph, only: str) -> Iterator[Planted]:
    """Every fault that fits somewhere in the model, one line at a time."""
    trees: dict[str, Syntax] = {}
    seen: set[tuple[str, tuple[Splice, ...]]] = set()
    for fault, (_, planter) in FAULTS.items():
        for op in graph.ops if only in ("", fault) else ():
            place = op.construction or op.call
            if place is None or "own_" not in place.path:
                continue
            if place.path not in trees:
                trees[place.path] = Syntax(decode(place.path, Path(place.path).read_bytes()))
            syntax = trees[place.path]
            for splices in planter(syntax, graph, op):
                if (place.path, splices) not in seen and are_apart(splices):
                    seen.add((place.path, splices))
                    text = syntax.source.spliced(splices)
                    yield Planted(fault, f"{place.path}:{place.line}", text)


def judge(planted: Planted, target: str, before: ModelGraph, files: tuple[str, ...]) -> str:
    """What becomes of one fault: fixed, refused with the reason, other, or unseen."""
    path = Path(planted.text.path)
    original = path.read_bytes()
    path.write_bytes(planted.text.encoded())
    rule = FAULTS[planted.fault][0]
    try:
        outcome = run(_settings((target, *(f for f in files if f == str(path))), fix=True))
        after = path.read_bytes()
        if after == planted.text.encoded():
            kept = [f for f in outcome.report.findings if f.rule == rule and f.remedy]
            if not any(f.severity is not Severity.INFO for f in kept):
                return "unseen"
            why = [r.reason for r in outcome.report.refused_fixes if r.rule == rule]
            return f"refused: {why[0] if why else '?'}"
        graph, _ = graph_of((target,))
        if graph is None:
            return "other: no graph"
        difference = unlike(before, graph, [])
        return f"other: {difference}" if difference else "fixed"
    finally:
        path.write_bytes(original)


class _Shared:
    """One warm pool for all runs, which would else load torch three times for each fault."""

    def __init__(self) -> None:
        self._pool = workspace.Pool(1, 120.0)
        self.trace = self._pool.trace

    def __enter__(self) -> _Shared:
        return self

    def __exit__(self, *_: object) -> None:
        """Stay open for the next run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--limit", type=int, default=0, help="faults in all, spread over models")
    parser.add_argument("--only", default="", choices=["", *FAULTS])
    parser.add_argument("--models", default="", help="only models whose name holds this")
    parser.add_argument("--per-fault", type=int, default=2, help="of each fault in each model")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
    done: set[tuple[str, str]] = set()
    shared = _Shared()
    workspace.Pool = lambda *_: shared  # type: ignore[assignment,misc]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name))
        os.chdir(folder)
        models = [m for m in copy_sources(folder) if options.models in f"{m[0]}::{m[1]}"]
        random.Random(0).shuffle(models)
        for file, factory in models:
            if options.limit and sum(c.total() for c in counts.values()) >= options.limit:
                break
            _one_model(file, factory, options, counts, done)
    _show(counts)


def _one_model(
    file: Path,
    factory: str,
    options: argparse.Namespace,
    counts: dict[str, Counter[str]],
    done: set[tuple[str, str]],
) -> None:
    target = f"{file}::{factory}"
    graph, files = graph_of((target,))
    if graph is None:
        print(f"{target}: no graph", file=sys.stderr)
        return
    run(_settings((target, *files), fix=True))  # what the library itself has to mend goes first
    graph, files = graph_of((target,))
    assert graph is not None
    chosen = list(plant(graph, options.only))
    random.Random(0).shuffle(chosen)
    taken: Counter[str] = Counter()
    for planted in chosen:
        if (planted.fault, planted.where) in done:  # a line of a helper that many models share
            continue
        done.add((planted.fault, planted.where))
        taken[planted.fault] += 1
        if taken[planted.fault] > options.per_fault:
            continue
        began = time.perf_counter()
        verdict = judge(planted, target, graph, files)
        counts[planted.fault][verdict.partition(":")[0]] += 1
        seconds = time.perf_counter() - began
        place = planted.where.rpartition("own_")[2]
        print(f"{seconds:5.1f} s  {factory}  {planted.fault}  {place}  {verdict}", flush=True)


def _show(counts: dict[str, Counter[str]]) -> None:
    words = ("fixed", "refused", "other", "unseen")
    print(f"\n{'fault':24}" + "".join(f"{w:>9}" for w in words))
    total: Counter[str] = Counter()
    for fault, found in counts.items():
        total += found
        print(f"{fault:24}" + "".join(f"{found[w]:9}" for w in words))
    print(f"{'all':24}" + "".join(f"{total[w]:9}" for w in words))
    seen = total.total() - total["unseen"]
    if seen:
        print(f"fixed back: {total['fixed']} of {seen} ({total['fixed'] / seen:.1%})")


if __name__ == "__main__":
    main()
