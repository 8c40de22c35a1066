"""The cost of a traced model: parameters, multiply-adds and the memory of activations.

Multiply-adds are those of convolutions, linear and recurrent layers, attention and matrix products;
all else takes none. The memory is that of all results but views and in-place ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod

from bnlint.domain.graph import ModelGraph, Op, Shape, StateInfo
from bnlint.domain.model_cost import LayerCost, ModelCost

_FREE = frozenset(
    {"input", "output", "reshape", "slice", "split", "transpose", "identity", "detach"}
)
_VIEWS = frozenset({"view", "flatten", "squeeze", "unsqueeze", "getitem", "expand", "chunk"})
_UNKNOWN = frozenset({"opaque"})


def cost_of(graph: ModelGraph) -> ModelCost:
    """The cost of a model, with a line for each layer that costs something."""
    sizes = {state.key: state for state in graph.states}
    ops = [op for op in graph.ops if not op.tags & {"input", "output"} and not _is_border(op)]
    layers = _layers(ops, sizes)
    known = graph.ref.inputs.source != "none" and bool(ops)
    uncounted = [c.layer for c in layers if c.multiply_adds is None or c.activation_bytes is None]
    uncounted += [part.path or "the model" for part in graph.trace.opaque]
    parameters = [s for s in graph.states if s.parameter]
    own = [s for s in parameters if not s.tied]
    return ModelCost(
        sum(_size(s) for s in own) if graph.states else graph.parameters,
        sum(_size(s) for s in own if s.trainable),
        sum(_size(s) for s in parameters if s.tied),
        _unused(graph, own),
        _sum([c.multiply_adds for c in layers]) if known else None,
        _sum([c.activation_bytes for c in layers]) if known else None,
        tuple(layers),
        tuple(dict.fromkeys(uncounted)) if known else ("all layers: no input is known",),
    )


def _sum(counts: list[int | None]) -> int | None:
    """The sum of what was counted; None if some is unknown and nothing was counted."""
    total = sum(count or 0 for count in counts)
    return None if not total and None in counts else total


def _is_border(op: Op) -> bool:
    """True for what enters or leaves a part that was traced by itself."""
    return op.types in ((), ("torch.Tensor.input",)) and not op.reads


def _layers(ops: Iterable[Op], sizes: Mapping[str, StateInfo]) -> list[LayerCost]:
    """One line a call, each state counted at its first reader."""
    counted: set[str] = set()
    found = []
    for op in ops:
        fresh = [k for k in op.reads if k in sizes and sizes[k].parameter and k not in counted]
        counted.update(fresh)
        cost = LayerCost(
            op.layer,
            op.kind,
            sum(_size(sizes[key]) for key in fresh),
            _multiply_adds(op, sizes),
            _memory(op),
        )
        if cost.parameters or cost.multiply_adds != 0 or cost.activation_bytes != 0:
            found.append(cost)
    return found


def _size(state: StateInfo) -> int:
    return prod(state.shape)


def _unused(graph: ModelGraph, parameters: Iterable[StateInfo]) -> int | None:
    if not graph.trace.complete or not graph.ops:
        return None
    read = {key for op in graph.ops for key in op.reads}
    return sum(_size(s) for s in parameters if s.key not in read)


def _memory(op: Op) -> int | None:
    """The bytes of the results; none for a view or what overwrites its input."""
    if op.tags & _FREE and op.exact.get("name") not in ("repeat", "tile"):
        return 0
    return 0 if op.facts.get("inplace") is True else op.memory


def _multiply_adds(op: Op, sizes: Mapping[str, StateInfo]) -> int | None:
    count = next((_COUNTS[tag] for tag in _COUNTS if tag in op.tags), None)
    if "opaque" in op.tags or (op.facts.get("custom") is True and op.reads and count is not None):
        return None
    if count is None:
        return None if op.kind == "other" and op.reads else 0
    try:
        return count(op, sizes)
    except (TypeError, IndexError, KeyError, ValueError, AttributeError):
        return None


def _weight(op: Op, sizes: Mapping[str, StateInfo]) -> Shape:
    """The shape of the first weight with more than one axis."""
    shapes = (sizes[key].shape for key in op.reads if key in sizes)
    found = next((shape for shape in shapes if len(shape) > 1), None)
    if found is None:
        raise ValueError("its weight is not a part of the model")
    return found


def _outputs(op: Op) -> int:
    if not op.outputs:
        raise ValueError("no output is known")
    return prod(op.outputs[0] or ())


def _inputs(op: Op, number: int = 0) -> Shape:
    shape = op.inputs[number]
    if shape is None:
        raise ValueError("no input is known")
    return shape


def _of_conv(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    _, second, *kernel = _weight(op, sizes)
    if "transposed" in op.tags:
        return prod(_inputs(op)) * second * prod(kernel)
    return _outputs(op) * second * prod(kernel)


def _of_linear(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    return _outputs(op) * _inputs(op)[-1]


def _of_bilinear(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    _, left, right = _weight(op, sizes)
    return _outputs(op) * (left * right + right)


def _of_matmul(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    if op.exact.get("name") == "einsum":
        return _of_einsum(op)
    return _outputs(op) * _inputs(op)[-1]


def _of_einsum(op: Op) -> int:
    """The product of the sizes of all letters."""
    equation = next((v for v in op.exact.values() if isinstance(v, str) and "," in v), None)
    if equation is None:
        raise ValueError("no equation in letters")
    letters: dict[str, int] = {}
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    for n, term in enumerate(terms):
        if "." in term:
            raise ValueError("axes without a letter")
        letters.update(zip(term, _inputs(op, n), strict=True))
    return prod(letters.values())


def _of_recurrent(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    """Each step multiplies with each weight once."""
    weights = sum(_size(sizes[k]) for k in op.reads if k in sizes and len(sizes[k].shape) == 2)
    if not weights:
        raise ValueError("its weights are not a part of the model")
    return weights * prod(_inputs(op)[:-1])


def _of_attention(op: Op, sizes: Mapping[str, StateInfo]) -> int:
    if op.exact.get("name") == "scaleddotproductattention":
        query, key, value = (_inputs(op, min(n, len(op.inputs) - 1)) for n in range(3))
        return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if op.exact.get("name") != "multiheadattention":
        raise ValueError("a composite layer")
    query, key = _inputs(op, 0), _inputs(op, min(1, len(op.inputs) - 1))
    axis = 1 if op.exact.get("batch-first") else 0
    length, source = (query[axis], key[axis]) if len(query) == 3 else (query[0], key[0])
    width, batch = query[-1], prod(query) // (query[-1] * length)
    projections = batch * width * width * (2 * length + 2 * source)
    return projections + 2 * batch * length * source * width


_COUNTS: Mapping[str, Callable[[Op, Mapping[str, StateInfo]], int]] = {
    "conv": _of_conv,
    "bilinear": _of_bilinear,
    "linear": _of_linear,
    "recurrent": _of_recurrent,
    "attention": _of_attention,
    "matmul": _of_matmul,
}
