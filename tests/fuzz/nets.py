"""Strategies that draw sound plans."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import strategies as st

from tests.fuzz.building import ACTS
from tests.fuzz.plan import Act, Block, Branches, Chain, Net, Pool, Residual, Unit

WIDTHS = st.sampled_from([8, 12, 16])
HOW = st.sampled_from(["sequential", "loop", "helper", "method"])

acts = st.sampled_from([Act(name, style) for name, styles in ACTS.items() for style in styles])
modular = st.sampled_from(
    [a for name in ACTS for a in [Act(name, "module")] if "module" in ACTS[name]]
)


@st.composite
def units(
    draw: st.DrawFn, dims: int, source: int, target: int, *, act: bool = True, kernel: str = ""
) -> Unit:
    norms = ["batch", "batch", "batch", "group", "lazy", *(["instance"] if dims else [])]
    kernels = ["plain", "plain", "pointwise", "transposed"]
    return Unit(
        channels=(source, target),
        kernel=kernel or draw(st.sampled_from(kernels)),
        norm=draw(st.sampled_from(norms)),
        act=draw(acts) if act else None,
        dropout=draw(st.booleans()) and draw(st.booleans()),
        idle=draw(st.booleans()) and draw(st.booleans()),
        gate=draw(st.sampled_from(["", "", "sigmoid", "hardsigmoid"])) if act else "",
        written=draw(st.booleans()),
    )


@st.composite
def chains(draw: st.DrawFn, dims: int, source: int) -> tuple[Block, int]:
    widths = [source, *draw(st.lists(WIDTHS, min_size=1, max_size=3))]
    parts = [draw(units(dims, a, b)) for a, b in pairwise(widths)]
    return Chain(tuple(parts), draw(HOW)), widths[-1]


@st.composite
def residuals(draw: st.DrawFn, dims: int, source: int) -> tuple[Block, int]:
    target = draw(st.sampled_from([source, 16]))
    middle = draw(WIDTHS)
    body = (draw(units(dims, source, middle)), draw(units(dims, middle, target, act=False)))
    shortcut = None
    if target != source:
        shortcut = replace(draw(units(dims, source, target, act=False)), shared=True)
    body = (replace(body[0], shared=True), body[1])
    return Residual(body, shortcut, draw(st.none() | acts), draw(HOW)), target


@st.composite
def inverted(draw: st.DrawFn, dims: int, source: int) -> tuple[Block, int]:
    """A wide depthwise unit between two pointwise ones, the last of which is linear."""
    target = draw(st.sampled_from([source, 8]))
    wide = 2 * source
    body = (
        draw(units(dims, source, wide, kernel="pointwise")),
        draw(units(dims, wide, wide, kernel="depthwise")),
        draw(units(dims, wide, target, act=False, kernel="pointwise")),
    )
    if target != source:
        return Chain(body, draw(HOW)), target
    return Residual((replace(body[0], shared=True), *body[1:]), how=draw(HOW)), target


@st.composite
def preactivated(draw: st.DrawFn, dims: int, source: int) -> tuple[Block, int]:
    middle = draw(WIDTHS)
    first = draw(units(dims, source, middle))
    second = draw(units(dims, middle, source))
    body = tuple(replace(u, pre=True, gate="", shared=u is first) for u in (first, second))
    return Residual(body, how=draw(HOW)), source


@st.composite
def branches(draw: st.DrawFn, dims: int, source: int) -> tuple[Block, int]:
    drawn = [draw(chains(dims, source)) for _ in range(draw(st.integers(2, 3)))]
    parts = [chain.units for chain, _ in drawn if isinstance(chain, Chain)]
    shared = tuple((replace(first, shared=True), *rest) for first, *rest in parts)
    return Branches(shared), sum(width for _, width in drawn)


@st.composite
def nets(draw: st.DrawFn, *, most: int = 3) -> Net:
    dims = draw(st.sampled_from([0, 1, 2, 2, 3]))
    block, width = draw(chains(dims, 3))
    blocks = [block]
    kinds = [chains, residuals, branches, preactivated, *([inverted] if dims else [])]
    for _ in range(draw(st.integers(0, most))):
        kind = draw(st.sampled_from(kinds))
        if kind is preactivated and normed(blocks[-1]):
            kind = residuals  # else one norm would read another
        block, width = draw(kind(dims, width))
        blocks.append(block)
        if dims and len(blocks) == 2 and not normed(block):
            blocks.append(Pool(draw(st.sampled_from(["MaxPool", "AvgPool"]))))
    head = draw(st.sampled_from(["mean", "max"]))
    return Net(dims, tuple(blocks), width, head, draw(st.booleans()))


def normed(block: Block) -> bool:
    """True where the block ends in a norm and no activation follows."""
    return isinstance(block, Chain) and block.units[-1].act is None
