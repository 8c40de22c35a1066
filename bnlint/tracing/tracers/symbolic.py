"""``torch.fx`` with norms, kernels and activations as leaves; what refuses becomes opaque.

No input is needed. A submodule whose forward can't be traced symbolically (control flow on a
tensor's value, say) is rolled back to one opaque call, with its reason and the line that refused,
and ``trace.py`` traces the parts inside it by themselves.
"""

from __future__ import annotations

import dataclasses
import inspect
import operator
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn

from bnlint.tracing.classify import Kind, Table, is_leaf
from bnlint.tracing.modules import Registry
from bnlint.tracing.record import UNSEEN, Call, Record, Ref, Refused, State, name_of
from bnlint.tracing.sites import Frames, call_frames, is_machinery
from bnlint.tracing.tracers.autograd import intercept_autograd

_NOT_TENSORS = frozenset(
    {
        "size",
        "dim",
        "ndimension",
        "numel",
        "element_size",
        "is_floating_point",
        "is_complex",
        "is_cuda",
        "get_device",
        "stride",
        "storage_offset",
        "nelement",
        "len",
        "_assert",
        "_assert_is_none",
        "is_contiguous",
        "data_ptr",
    }
)
_NOT_TENSOR_ATTRIBUTES = frozenset(
    {
        "shape",
        "device",
        "dtype",
        "ndim",
        "requires_grad",
        "is_cuda",
        "layout",
        "is_sparse",
        "is_quantized",
        "itemsize",
    }
)
_YIELD_TUPLES = frozenset({"split", "recurrent", "attention"})


def trace_symbolically(
    registry: Registry, table: Table, keywords: Iterable[str] = (), positional: int = 0
) -> Record | Refused:
    """What fx sees of the model, or why its outermost forward refused.

    ``keywords`` and ``positional`` say which optional parameters of the forward to feed, beside
    the required ones.
    """
    tracer = LeafTracer(registry, table, frozenset(keywords), positional)
    try:
        with intercept_autograd(tracer.call_autograd):
            tracer.trace(registry.root)
    except Exception as error:  # the user's forward may raise anything
        return Refused(registry.path(registry.root), reason_of(error), frames_of(error))
    return to_record(tracer)


class LeafTracer(fx.Tracer):
    """The fx tracer that keeps classified layers whole and turns a refusal into an opaque call."""

    def __init__(
        self, registry: Registry, table: Table, keywords: frozenset[str], positional: int
    ) -> None:
        super().__init__()
        self.registry = registry
        self.table = table
        self.keywords = keywords
        self.positional = positional
        self.owners: list[str] = [registry.path(registry.root)]
        self.refused: list[Refused] = []
        self.called: dict[int, int] = {}
        self.left_out = False
        self.own_parameters = frozenset(map(id, registry.root.parameters()))
        self.quiet = False

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """The result of the module's forward, or one proxy where it is a leaf or refuses."""
        if self.quiet:
            return forward(*args, **kwargs)
        self.called[id(m)] = self.called.get(id(m), 0) + 1
        path = self.registry.path(m)
        if is_leaf(m, self.table):
            return self._leaf(m, path, args, kwargs)
        last, depth = self._last_node(), len(self.refused)
        self.owners.append(path)
        try:
            return forward(*args, **kwargs)
        except Exception as error:  # the user's forward may raise anything
            if not _reads_proxy(args, kwargs):
                raise
            self._roll_back(last)
            del self.refused[depth:]
            self.refused.append(Refused(path, reason_of(error), frames_of(error)))
        finally:
            self.owners.pop()
        return self._leaf(m, path, args, kwargs, opaque=True)

    def call_autograd(
        self, cls: Any, apply: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """One proxy for a ``torch.autograd.Function`` that is applied to proxies."""
        if _reads_proxy(args, kwargs):
            return self.create_proxy("call_function", cls.apply, args, kwargs)
        return apply(*args, **kwargs)

    def _leaf(
        self, m: nn.Module, path: str, args: Any, kwargs: Any, *, opaque: bool = False
    ) -> fx.Proxy:
        proxy = self.create_proxy("call_module", path or "root", args, kwargs)
        proxy.node.meta.update(module=m, path=path, opaque=opaque)
        return proxy

    def _last_node(self) -> fx.Node:
        return self.graph._root.prev

    def _roll_back(self, last: fx.Node) -> None:
        while (node := self._last_node()) is not last:
            self.graph.erase_node(node)

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> fx.Node:
        """A node that also remembers who called it, from where, and whether gradients flow."""
        node = self.graph.create_node(kind, target, args, kwargs, name, None)
        if kind != "get_attr":
            node.meta["frames"] = call_frames()
            node.meta["owner"] = self.owners[-1]
            node.meta["grad"] = torch.is_grad_enabled()
        return node

    def create_arg(self, a: Any) -> Any:
        """The argument as fx keeps it; tensors become attributes without touching the model."""
        if isinstance(a, fx.Proxy):
            return a.node
        if isinstance(a, torch.Tensor):
            node = self.create_node("get_attr", "tensor", (), {})
            node.meta["value"] = a
            node.meta["state"] = State(
                self._state_path(a), tuple(a.shape), isinstance(a, nn.Parameter), a
            )
            return node
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return tuple(map(self.create_arg, a))
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            return tuple(self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a))
        try:
            return super().create_arg(a)
        except NotImplementedError:
            return None

    def _state_path(self, tensor: torch.Tensor) -> str:
        for name, parameter in self.registry.root.named_parameters():
            if parameter is tensor:
                return name
        return "constant"

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Parameters as proxies that remember their path and shape.

        Only the model's own: a layer that is built while the forward runs has to initialise its.
        """
        if self.quiet or id(attr_val) not in self.own_parameters:
            return attr_val
        key = str(id(attr_val))
        if key not in parameter_proxy_cache:
            parameter_proxy_cache[key] = self.proxy(self.create_arg(attr_val))
        return parameter_proxy_cache[key]

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        """The bound forward, with a proxy for each parameter to feed and defaults for the rest."""
        forward = self.registry.root.forward
        args, kwargs = self._root_arguments(forward)

        def call() -> Any:
            if is_leaf(self.registry.root, self.table):  # a layer by itself is one operation
                return self.call_module(self.registry.root, forward, tuple(args), kwargs)
            return forward(*args, **kwargs)

        return call, []

    def _root_arguments(self, forward: Any) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        fed = _parameters_to_feed(forward, self.keywords, self.positional)
        every = inspect.signature(forward).parameters.values()
        self.left_out = any(p.default is None and p not in fed for p in every)
        for p in fed:
            proxy = self.create_proxy("placeholder", p.name, (), {})
            if p.kind is inspect.Parameter.KEYWORD_ONLY or kwargs or p.name in self.keywords:
                kwargs[p.name] = proxy
            else:
                args.append(proxy)
        return args, kwargs


def _parameters_to_feed(
    forward: Any, keywords: frozenset[str], positional: int
) -> list[inspect.Parameter]:
    every = list(inspect.signature(forward).parameters.values())
    named = [p for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    chosen = [
        p
        for i, p in enumerate(named)
        if p.default is p.empty or p.name in keywords or (not keywords and i < positional)
    ]
    if not chosen:
        chosen = named[:1] or [p for p in every if p.kind is p.VAR_POSITIONAL][:1]
    return chosen


def _reads_proxy(*values: Any) -> bool:
    found = False

    def look(value: Any) -> Any:
        nonlocal found
        found = found or isinstance(value, fx.Proxy)
        return value

    fx.node.map_aggregate(values, look)
    return found


def reason_of(error: BaseException) -> str:
    """The first line of an error, with its type where the text alone would not tell."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def frames_of(error: BaseException) -> Frames:
    """The frames of an error's traceback, innermost first, without torch's and our own."""
    found: list[tuple[Any, int]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code.co_filename):
            found.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    return tuple(reversed(found))


def to_record(tracer: LeafTracer) -> Record:
    """What the finished graph of a tracer says, as a record."""
    record = Record("symbolic", refused=tracer.refused, called=tracer.called)
    conversion = _Conversion(tracer, record)
    for node in tracer.graph.nodes:
        conversion.add(node)
    record.strays = tracer.registry.outermost_strays()
    record.left_out = tracer.left_out
    return record


class _Conversion:
    """Turns fx nodes into calls, and tells operations from sizes and from picks out of tuples."""

    def __init__(self, tracer: LeafTracer, record: Record) -> None:
        self.tracer = tracer
        self.record = record
        self.values: dict[fx.Node, Any] = {}
        self.numbers: set[fx.Node] = set()
        self.tuples: set[fx.Node] = set()

    def add(self, node: fx.Node) -> None:
        if node.op == "output":
            fx.node.map_arg(node.args, self._output)
        elif node.op == "get_attr":
            # fx itself keeps objects that are no tensors (script objects) as attributes
            state = node.meta.get("state") or State(str(node.target), ())
            self.values[node] = state
            self.record.reads.add(state.path)
        else:
            self.record.calls.append(self._call(node, self._role(node)))
            self.values[node] = Ref(node.name)

    def _value(self, node: fx.Node) -> Any:
        """What stands for a node; None for one that went with a module that refused.

        A size that was taken before is written down when it is first used, which may be in there.
        """
        return self.values.get(node)

    def _output(self, node: fx.Node) -> None:
        value = self._value(node)
        if isinstance(value, Ref) and node not in self.numbers:
            self.record.outputs.append(value)

    def _role(self, node: fx.Node) -> str:
        if self._is_number(node):
            self.numbers.add(node)
            return "number"
        if self._is_pick(node):
            return "pick"
        kind = self._kind(node)
        if node.meta.get("opaque", False) or (kind and _YIELD_TUPLES & kind.tags):
            self.tuples.add(node)
            node.meta["nested"] = kind is not None and "recurrent" in kind.tags
        return "op"

    def _is_number(self, node: fx.Node) -> bool:
        """True for sizes, shapes, flags, and for what is computed from those alone."""
        if node.op in ("placeholder", "call_module"):
            return False
        name = name_of(node.target)
        if name in _NOT_TENSORS:
            return True
        if node.target is getattr and node.args[1] in _NOT_TENSOR_ATTRIBUTES:
            return True
        inputs = node.all_input_nodes
        return bool(inputs) and all(n in self.numbers for n in inputs)

    def _is_pick(self, node: fx.Node) -> bool:
        """True when ``node`` only takes an element of a tuple that an operation returned."""
        if node.target is not operator.getitem or not isinstance(node.args[0], fx.Node):
            return False
        source, key = node.args[0], node.args[1]
        several = source in self.tuples or isinstance(source.meta.get("value"), (tuple, list))
        if not several or not isinstance(key, (int, slice)):
            return False
        if isinstance(key, slice) or source.meta.get("nested"):
            self.tuples.add(node)
        return True

    def _kind(self, node: fx.Node) -> Kind | None:
        module = node.meta.get("module")
        if module is not None:
            return self.tracer.table.of_module(module)
        return self.tracer.table.of_function(name_of(node.target))

    def _call(self, node: fx.Node, role: str) -> Call:
        module = node.meta.get("module")
        entry = node.op == "placeholder"
        target = "input" if entry else node.target if module is None else module
        return Call(
            node.name,
            target,
            (node.target,) if entry else fx.node.map_arg(node.args, self._value),
            dict(fx.node.map_arg(node.kwargs, self._value)),
            owner=node.meta["owner"],
            path=node.meta.get("path"),
            frames=node.meta["frames"],
            grad=node.meta["grad"],
            held=self.tracer.registry.held(module) if module is not None else "",
            opaque=node.meta.get("opaque", False),
            role=role,
            value=node.meta.get("value", UNSEEN),
            error=node.meta.get("error"),
        )
