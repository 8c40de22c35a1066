"""All that decides what an operation computes, besides its weights and its inputs.

Rules ask about a few facts of a layer; a comparison needs every argument, constant and index, and
which part of an input is read. A layer and the function that does the same are described alike:
``nn.LeakyReLU(0.2)`` and ``F.leaky_relu(x, 0.2)``. Inputs are written ``$0``, ``$1`` in the order
of the edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.domain.graph import Value
from bnlint.domain.objects import home_of
from bnlint.domain.settings_of_ops import DEFAULTS
from bnlint.layers.calls import UNSEEN, Call, Ref, State, name_of
from bnlint.layers.of_calls import arguments_of
from bnlint.tracing.describing.code_digests import digest_of_class, digest_of_function, short_digest

Settings = dict[str, Value]

_ALIASES = {
    "concat": "cat",
    "concatenate": "cat",
    "multiply": "mul",
    "subtract": "sub",
    "divide": "div",
    "truedivide": "div",
    "truediv": "div",
    "upsample": "interpolate",
    "clip": "clamp",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "softmax2d": "softmax",
}
_OPERATORS = ("add", "sub", "mul", "div", "truediv", "matmul", "pow", "floordiv", "mod")
_IN_PLACE = {f"i{name}": name for name in _OPERATORS}
_REFLECTED = {f"r{name}": name for name in _OPERATORS}
_POOL = "input kernel_size stride padding dilation ceil_mode return_indices"
_NAMES = {
    **{f"maxpool{n}d": _POOL for n in (1, 2, 3)},
    **{f"adaptivemaxpool{n}d": "input output_size return_indices" for n in (1, 2, 3)},
    "pixelshuffle": "input upscale_factor",
    "pixelunshuffle": "input downscale_factor",
    "clamp": "input min max",
    "max": "input dim keepdim",
    "min": "input dim keepdim",
    "squeeze": "input dim",
    "unsqueeze": "input dim",
}
"""Arguments of functions without a signature, under the names that layers have for them."""
_LONGEST = 160
_LEFT_OUT = frozenset({"training", "inplace", "device", "out"})
"""Attributes and arguments that do not decide the result; functions keep ``training=False``."""


@dataclass(slots=True)
class ExactText:
    """Describes the calls of one record; ``keys`` are those of states by identity."""

    calls: Mapping[str, Call]
    sources: Mapping[str, str]
    keys: Mapping[int, str]
    _inner: dict[str, str] = field(default_factory=dict)
    _slots: dict[str, int] = field(default_factory=dict)
    _reads: list[str] = field(default_factory=list)

    def of(self, call: Call, inputs: Iterable[Ref]) -> tuple[Settings, tuple[str, ...]]:
        """The settings of a call, and the keys of the states that it reads."""
        self._slots, self._reads = {}, []
        for ref in inputs:
            self._slots.setdefault(self.sources[ref.id], len(self._slots))
        if isinstance(call.target, nn.Module):
            found = self._module(call, call.target)
        elif call.target == "input":
            found = {}
        else:
            found = self._function(call)
        if not call.grad:
            found["grad"] = False
        return found, tuple(dict.fromkeys(self._reads))

    def of_output(self, outputs: Iterable[Ref]) -> Settings:
        """What the model returns: which parts of which results."""
        outputs = tuple(outputs)
        self._slots = {}
        for ref in outputs:
            self._slots.setdefault(self.sources[ref.id], len(self._slots))
        return {"returns": tuple(str(self._value(ref)) for ref in outputs)}

    # --- layers ---

    def _module(self, call: Call, module: nn.Module) -> Settings:
        for _, state in (*module.named_parameters(), *module.named_buffers()):
            if (key := self.keys.get(id(state))) is not None:
                self._reads.append(key)
        found = {"name": _class_name(module), **settings_of(module)}
        return found | self._arguments({str(n): a for n, a in enumerate(call.args)} | call.kwargs)

    def _arguments(self, arguments: Mapping[str, Any]) -> Settings:
        found: Settings = {}
        for n, (name, value) in enumerate(arguments.items()):
            text = self._value(value)
            if name not in _LEFT_OUT and not (n == 0 and text == "$0"):
                found[name.replace("_", "-")] = text
            elif name == "training" and value is False:
                found[name] = False
        return _tidied(found)

    # --- functions ---

    def _function(self, call: Call) -> Settings:
        name, args = _function_name(call)
        names = _NAMES.get(name, "").split()
        named = dict(zip(names, args, strict=False)) | call.kwargs
        if not names:
            named = arguments_of(call.target, args, call.kwargs)
        if len(named) < len(args) + len(call.kwargs) or len(args) != len(call.args):
            named = {str(n): a for n, a in enumerate(args)} | call.kwargs
        return {"name": name, **self._arguments(named)}

    # --- values ---

    def _value(self, value: Any) -> Value:
        """A value as plain data: results of other operations and states by name."""
        if isinstance(value, (bool, int, float, str)) or value is None:
            return value
        if isinstance(value, Ref):
            return self._ref(value)
        if isinstance(value, State):
            return self._state(value)
        if isinstance(value, slice):
            return ":".join(str(self._value(v)) for v in (value.start, value.stop, value.step))
        if isinstance(value, (tuple, list)):
            return tuple(map(self._value, value))
        if isinstance(value, dict):
            return tuple((str(k), self._value(v)) for k, v in value.items())
        return _plain_text(value)

    def _ref(self, ref: Ref) -> Value:
        call = self.calls.get(ref.id)
        if call is None:
            return "?"
        part = f"[{ref.item}]" if isinstance(call.value, (tuple, list)) else ""
        if call.role == "pick" and call.args:
            return f"{self._value(call.args[0])}[{self._value(call.args[1])}]"
        source = self.sources.get(ref.id)
        if source is not None:
            return f"${self._slots[source]}{part}" if source in self._slots else "~"
        if call.role == "number" and _is_number(call.value):
            return self._value(tuple(call.value) if isinstance(call.value, tuple) else call.value)
        return self._expression(call) + part

    def _expression(self, call: Call) -> str:
        """What is computed from weights and constants alone, written out."""
        if call.id not in self._inner:
            self._inner[call.id] = "..."  # a circle cannot be, but must not hang
            name, args = _function_name(call)
            inner = [str(self._value(a)) for a in args]
            inner += [f"{k}={self._value(v)}" for k, v in call.kwargs.items() if k != "device"]
            text = f"{name}({', '.join(inner)})"
            text = text if len(text) <= _LONGEST else f"{name}(#{short_digest(text)})"
            if "$" in text:  # the number of an input holds for this call only
                del self._inner[call.id]
                return text
            self._inner[call.id] = text
        return self._inner[call.id]

    def _state(self, state: State) -> Value:
        tensor = state.tensor
        key = self.keys.get(id(tensor)) or (state.path if state.parameter else "")
        if key:
            self._reads.append(key)
            return f"state {len(dict.fromkeys(self._reads)) - 1}"
        if not isinstance(tensor, torch.Tensor) or tensor.is_meta:
            return f"constant {tuple(state.shape)}"
        return _constant(tensor)


def settings_of(module: nn.Module) -> Settings:
    """The plain attributes of a layer and of all layers inside it, by their names."""
    found: Settings = {}
    for path, inner in module.named_modules():
        if path and not vars(inner):
            continue
        prefix = f"{path}." if path else ""
        for name, value in vars(inner).items():
            if name.startswith("_") or name in _LEFT_OUT:
                continue
            plain = _attribute(value)
            if plain is not None:
                found[f"{prefix}{name.replace('_', '-')}"] = plain
        if path:
            found[f"{prefix}name"] = _class_name(inner)
    return _tidied(found)


def digest_of_tensor(tensor: torch.Tensor) -> str:
    """A digest of the numbers of a tensor; empty if they cannot be read."""
    try:
        with torch.no_grad():
            plain = tensor.detach().to("cpu").contiguous()
            shown = plain.view(torch.uint8) if plain.ndim and plain.numel() else plain
            text = bytes(shown.flatten().tolist()) if plain.ndim else repr(plain.item()).encode()
        return short_digest(f"{tuple(tensor.shape)} {tensor.dtype}", text)
    except Exception:  # sparse, quantized, a subclass of the user's
        return ""


def _tidied(found: Settings) -> Settings:
    """Without what says nothing, and with one number for all dimensions where they are equal."""
    tidy = {name: _one(value) for name, value in found.items()}
    window = tidy.get("kernel-size") if "out-channels" not in tidy else ()  # of a pooling layer
    if "stride" in tidy and tidy["stride"] in (window, ()):
        del tidy["stride"]
    return {
        name: value
        for name, value in tidy.items()
        if not (
            value is None or value is False or DEFAULTS.get(name.rpartition(".")[2], ...) == value
        )
    }


def _one(value: Value) -> Value:
    if isinstance(value, tuple) and value and set(map(type, value)) <= {int, float}:
        return value[0] if len(set(value)) == 1 and len(value) <= 6 else value
    return value


def _attribute(value: Any) -> Value:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (tuple, list)):
        plain = tuple(map(_attribute, value))
        return None if any(p is None for p in plain) or len(plain) > 64 else plain
    if isinstance(value, torch.dtype):
        return str(value)
    if callable(value) and not isinstance(value, (nn.Module, type)):
        return digest_of_function(value)
    return None


def _class_name(module: nn.Module) -> str:
    """The name that a layer shares with the function that does the same.

    A class of the user's is known by its code, not by its name.
    """
    cls: Any = type(module)
    torchs = next((c for c in cls.__mro__ if home_of(c).startswith("torch.")), cls)
    forward = getattr(cls, "forward", None)
    if "forward" not in vars(module) and home_of(forward).startswith("torch."):
        return _plain_name(torchs.__name__)
    return f"code {digest_of_class(cls)}"


def _function_name(call: Call) -> tuple[str, tuple[Any, ...]]:
    """The plain name of a function, and its arguments in the usual order."""
    if call.target is getattr and len(call.args) > 1:
        return _plain_name(str(call.args[1])), call.args[:1]
    name = _plain_name(name_of(call.target))
    if name in _REFLECTED and len(call.args) > 1:
        return _ALIASES.get(_REFLECTED[name], _REFLECTED[name]), call.args[1::-1]
    name = _IN_PLACE.get(name, name)
    return _ALIASES.get(name, name), call.args


def _plain_name(name: str) -> str:
    plain = name.strip("_").replace("_", "").lower()
    return _ALIASES.get(plain, plain)


def _is_number(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(isinstance(v, (bool, int, float)) for v in value)
    return value is not UNSEEN and isinstance(value, (bool, int, float))


def _constant(tensor: torch.Tensor) -> Value:
    """A single number as it is, more of them as a digest."""
    if tensor.ndim == 0 and not tensor.is_complex() and not tensor.is_quantized:
        number: bool | int | float = tensor.item()
        return number
    return f"constant {digest_of_tensor(tensor)}"


def _plain_text(value: Any) -> Value:
    if isinstance(value, torch.device):
        return None
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return str(value)
    if isinstance(value, torch.Tensor):
        return f"constant {tuple(value.shape)}" if value.is_meta else _constant(value)
    if callable(value) and not isinstance(value, (nn.Module, type)):
        return digest_of_function(value)
    return type(value).__name__
