"""What layers and functions of torch tell of a value that they take."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from torch import nn

from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.lexicon import TENSORS

_TAKE_TENSORS = frozenset({"from_pretrained", "from_numpy", "as_tensor", "register_buffer"})
_TAKE_SIZES = frozenset({*TENSORS, "sqrt", "log", "log2", "eye", "full"})
_TAKE_MODELS = frozenset({"add_module", "register_module", "DataParallel"})


def note_layer(use: ParameterUse, layer: type[nn.Module], parameter: str) -> None:
    """Note that a layer of torch takes the value for a parameter."""
    if issubclass(layer, nn.Sequential):
        use.module = True
    elif issubclass(layer, nn.ModuleList):
        use.sequence = use.item().module = True
    elif issubclass(layer, nn.ModuleDict):
        use.keyed = use.item().module = True
    elif not use.role[0]:
        use.role = parameter, layer.__name__


def note_function(use: ParameterUse, name: str) -> None:
    """Note that a function or method of this name takes the value."""
    use.number |= name in _TAKE_SIZES
    use.whole |= name in ("log2", *TENSORS)
    use.tensor |= name in _TAKE_TENSORS
    use.array |= name == "from_numpy"
    use.sequence |= name in ("array", "asarray")
    use.module |= name in _TAKE_MODELS


def note_spread(use: ParameterUse, target: object, left: Mapping[str, ParameterUse]) -> None:
    """Note that ``target(**value)`` is called; no other argument fills the parameters ``left``."""
    use.mapping = use.spread = True
    try:
        parameters = inspect.signature(target).parameters if callable(target) else {}
    except (TypeError, ValueError):
        return
    for name, parameter in parameters.items():
        if name not in left or left[name] is use:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            for key, inner in left[name].fields.items():
                use.join(key, inner, inner.optional)
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            use.join(name, left[name], parameter.default is not parameter.empty)
