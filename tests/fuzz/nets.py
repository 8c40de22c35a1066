"""Strategies that draw sound plans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import strategies as st

from tests.fuzz.building import ACTS
from tests.fuzz.plan import Act, Branches, Chain, Net, Part, Residual, Resize, Unit, ends_normed

WIDTHS = st.sampled_from([8, 12, 16])
HOW = st.sampled_from(["sequential", "loop", "helper", "method"])
POOLS = st.sampled_from([Resize("MaxPool"), Resize("AvgPool")])

acts = st.sampled_from([Act(name, style) for name, styles in ACTS.items() for style in styles])
rarely = st.integers(0, 3).map(lambda n: n == 3)


@dataclass(frozen=True, slots=True)
class Style:
    """What the parts of one net have in common."""

    dims: int
    norms: tuple[str, ...]


@st.composite
def styles(draw: st.DrawFn) -> Style:
    dims = draw(st.sampled_from([0, 1, 2, 2, 3]))
    known = ["batch", "lazy", "group", *(["instance"] if dims else ["layer"])]
    mixed = ("batch", "batch", "batch", *known)
    return Style(dims, draw(st.sampled_from([("batch",), mixed, mixed])))


@st.composite
def units(
    draw: st.DrawFn, style: Style, source: int, target: int, *, act: bool = True, kernel: str = ""
) -> Unit:
    kernels = ["plain", "plain", "pointwise", "transposed"]
    if source % 2 == 0:
        kernels.append("grouped")
    return Unit(
        channels=(source, target),
        kernel=kernel or draw(st.sampled_from(kernels)),
        norm=draw(st.sampled_from(style.norms)),
        act=draw(acts) if act else None,
        dropout=draw(rarely),
        idle=draw(rarely),
        gate=draw(st.sampled_from(["", "", "sigmoid", "hardsigmoid"])) if act else "",
        written=draw(st.booleans()),
    )


def sharing(part: Part) -> Part:
    """The same with its first unit marked: something else reads what it reads."""
    match part:
        case Unit():
            return replace(part, shared=True)
        case Chain((first, *rest), how):
            return Chain((sharing(first), *rest), how)
        case Residual(body):
            return replace(part, body=sharing(body))
        case Branches((first, *rest)):
            return Branches((sharing(first), *rest))
    return part


@st.composite
def chains(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Chain, int]:
    widths = [source, *draw(st.lists(WIDTHS, min_size=1, max_size=3))]
    parts = [draw(units(style, a, b)) for a, b in pairwise(widths)]
    return Chain(tuple(parts), draw(HOW)), widths[-1]


@st.composite
def residuals(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    target = draw(st.sampled_from([source, 16]))
    inner, middle = draw(parts_of(style, source, depth - 1))
    last = draw(units(style, middle, target, act=False))
    shortcut = None
    if target != source:
        shortcut = replace(draw(units(style, source, target, act=False)), shared=True)
    body = sharing(Chain((inner, last), draw(HOW)))
    return Residual(body, shortcut, draw(st.none() | acts)), target


@st.composite
def inverted(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    """A wide depthwise unit between two pointwise ones, the last of which is linear."""
    target = draw(st.sampled_from([source, 8]))
    wide = 2 * source
    body = (
        draw(units(style, source, wide, kernel="pointwise")),
        draw(units(style, wide, wide, kernel="depthwise")),
        draw(units(style, wide, target, act=False, kernel="pointwise")),
    )
    chain = Chain(body, draw(HOW))
    return (chain if target != source else Residual(sharing(chain))), target


@st.composite
def preactivated(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    """Norm and activation before each kernel; its result is added to the input or put beside it."""
    widths = [source, draw(WIDTHS), source]
    inner = tuple(replace(draw(units(style, a, b)), pre=True, gate="") for a, b in pairwise(widths))
    chain = sharing(Chain(inner, draw(HOW)))
    if draw(st.booleans()):
        return Branches((Chain(), chain)), 2 * source
    return Residual(chain), source


@st.composite
def branches(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    drawn = [draw(parts_of(style, source, depth - 1)) for _ in range(draw(st.integers(2, 3)))]
    chains = tuple(sharing(Chain((part,))) for part, _ in drawn)
    return Branches(chains), sum(width for _, width in drawn)


@st.composite
def hourglasses(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    """Down, through something, up again, and beside what went in."""
    inner, width = draw(parts_of(style, source, depth - 1))
    return Branches((Chain(), Chain((draw(POOLS), inner, Resize("Up"))))), source + width


@st.composite
def parts_of(draw: st.DrawFn, style: Style, source: int, depth: int) -> tuple[Part, int]:
    """Something that begins with a kernel; deeper down it is simple."""
    kinds = [chains]
    if depth > 0:
        kinds += [residuals, branches, *([inverted, hourglasses] if style.dims else [])]
    return draw(draw(st.sampled_from(kinds))(style, source, depth))


@st.composite
def nets(draw: st.DrawFn, *, most: int = 3) -> Net:
    style = draw(styles())
    part, width = draw(chains(style, 3, 0))
    parts: list[Part] = [part]
    for n in range(draw(st.integers(0, most))):
        if not ends_normed(parts[-1]) and draw(rarely):  # else one norm would read another
            part, width = draw(preactivated(style, width, 0))
        else:
            part, width = draw(parts_of(style, width, 2))
        parts.append(part)
        if style.dims and n == 0 and not ends_normed(part) and draw(st.booleans()):
            parts.append(draw(POOLS))
    head = draw(st.sampled_from(["mean", "max"]))
    return Net(style.dims, Chain(tuple(parts)), width, head, draw(st.booleans()))
