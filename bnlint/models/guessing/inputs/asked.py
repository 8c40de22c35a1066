"""The arguments of a forward that a call must have, and those that it may have."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from bnlint.models.reading.forward_code import names_around
from bnlint.models.reading.use import Use

_BESIDE = frozenset({"None", "Optional", "Union", "typing"})
_SEVERAL = re.compile(
    r"\b(?P<kind>List|list|Tuple|tuple|Sequence|Iterable)\[(?P<items>(?:[\w.]*Tensor,?)+(?:\.\.\.)?)\]"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One argument of a forward: its name, its annotation, and what is done with it.

    ``by_name`` is true if a call must name it: after a ``*``, or a key of ``**batch``.
    """

    name: str
    use: Use
    hint: Any = inspect.Parameter.empty
    by_name: bool = False

    def is_called(self, kind: type) -> bool:
        """True if the annotation is a type, as such, as text, or beside None."""
        if isinstance(self.hint, str):
            words = set(re.findall(r"\w+", self.hint)) - _BESIDE
            return words == {kind.__name__}
        options = typing.get_args(self.hint) or (self.hint,)
        return [option for option in options if option is not type(None)] == [kind]

    @property
    def says_anything(self) -> bool:
        """True if the forward does something with the input."""
        use = self.use
        read = use.readers or use.mixers or use.functions or use.items
        return bool(read or use.tensor or use.rank)

    @property
    def may_be_a_tensor(self) -> bool:
        """True if the annotation names tensors, or if there is none."""
        text = _written(self.hint)
        return not text or "Tensor" in text

    @property
    def items_annotated(self) -> int:
        """How many tensors ``Tuple[Tensor, Tensor]`` asks for, 2 for a list; 0 if for one."""
        found = _SEVERAL.search(_written(self.hint).replace(" ", ""))
        if found is None:
            return 0
        count = found["items"].count("Tensor")
        return count if found["kind"] in ("Tuple", "tuple") and "..." not in found["items"] else 2


def _written(hint: Any) -> str:
    """An annotation as it is written in the source; empty if there is none."""
    if hint is inspect.Parameter.empty:
        return ""
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


Uses = Mapping[str, Use]


def required_inputs(model: nn.Module, uses: Uses) -> list[Asked]:
    """The inputs that a call must have; the first one if all are optional.

    ``uses`` says what the forward does with each of its arguments.
    """
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return [Asked("x", Use())]
    around = names_around(type(model).forward)
    parameters = [_resolved(p, around) for p in parameters]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p for p in named if _is_needed(p, uses)]
    keys = [each for p in parameters if p.kind is p.VAR_KEYWORD for each in _keys(p, uses)]
    needed = needed or [p for p in named if p.kind is not p.KEYWORD_ONLY][:1]
    if needed or keys:
        return [*(_asked(p, uses) for p in needed), *keys]
    return [each for p in parameters if p.kind is p.VAR_POSITIONAL for each in _items(p, uses)]


def optional_inputs(model: nn.Module, given: Collection[str], uses: Uses) -> list[Asked]:
    """The inputs that are None by default, but for those that are given."""
    parameters = inspect.signature(model.forward).parameters.values()
    others = (p for p in parameters if p.default is None and p.name not in given)
    return [_asked(p, uses) for p in others]


def _resolved(parameter: inspect.Parameter, around: Mapping[str, Any]) -> inspect.Parameter:
    """The parameter with the class that its annotation names as text, where that is one."""
    named = around.get(parameter.annotation) if isinstance(parameter.annotation, str) else None
    return parameter.replace(annotation=named) if isinstance(named, type) else parameter


def _asked(parameter: inspect.Parameter, uses: Uses) -> Asked:
    by_name = parameter.kind is parameter.KEYWORD_ONLY
    use = uses.get(parameter.name, Use())
    return Asked(parameter.name, use, parameter.annotation, by_name)


def _keys(parameter: inspect.Parameter, uses: Uses) -> list[Asked]:
    """The keys of ``**batch`` that are read, rather those that must be there."""
    use = uses.get(parameter.name, Use())
    sure = [key for key in use.keys if not use.items[key].guarded]
    return [Asked(key, use.items[key], by_name=True) for key in sure or use.keys]


def _items(parameter: inspect.Parameter, uses: Uses) -> list[Asked]:
    """The items of ``*inputs``, at least one."""
    use = uses.get(parameter.name, Use())
    count = use.length or max((k + 1 for k in use.items if isinstance(k, int)), default=1)
    return [Asked(parameter.name, use.items.get(i, Use())) for i in range(count)]


def _is_needed(parameter: inspect.Parameter, uses: Uses) -> bool:
    """True without a default, and for a default None that the forward uses like a tensor."""
    if parameter.default is None and (use := uses.get(parameter.name)) is not None:
        return not use.guarded and (use.tensor or use.rank is not None)
    return parameter.default is parameter.empty
