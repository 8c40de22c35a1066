"""Values for required arguments, made up from their names and annotations.

The numbers agree with each other on purpose: channels that go in equal channels that come out, so
that residual additions work, and every width is a multiple of every number of heads and groups.
"""

from __future__ import annotations

import enum
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

WIDTH = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """One consistent set of guesses: image-like models, blocks in the middle, sequences."""

    name: str
    channels_in: int
    channels_out: int


PROFILES = (
    Profile("image", 3, WIDTH),
    Profile("block", WIDTH, WIDTH),
    Profile("widening", WIDTH, 2 * WIDTH),
)

_IN = r"(n_?|num_?|nb_?)?(in|input|img|image|inp)(_|$)?(c|ch|chs|chan|chans|channel|channels|planes|plane|nc|features|filters|feats?|dims?|size)?"
_NUMBERS: tuple[tuple[str, str | int | float | bool | tuple[int, ...]], ...] = (
    (r"(c|ch)(_?in|1)|inplanes?|in_?planes?|nc_in|in_?nc|inp|n_?in", "in"),
    (r"(in|input|image|img)_?(c|ch|chs|chans?|channels?|nc|filters|feature_maps)|n?channels?_?(in)", "in"),
    (r"(num_?|n_?)(input_?|in_?)?(ch|chs|chans?|channels?)|channels|nc|colou?rs", "in"),
    (r"(in|input)_?(features?|feats?|dims?|size|width)|d_?in|dim_?in|(n|num)_(inputs?|features?)|feature_?(size|dim)", "width"),
    (r"(c|ch)(_?out|2)|out_?planes?|planes?|oup|n_?out|out_?nc", "out"),
    (r"(out|output)_?(c|ch|chs|chans?|channels?|nc|filters|features?|feats?|dims?|size)|d_?out|dim_?out|n_?filters?|filters?|(n|num)_(filters?|outputs?)", "out"),
    (r"(n|num|nb)?_?(class|classes|labels?|categories|cls|targets|actions?)|output_?(classes)|action_(dim|size)", 10),
    (r"(n|num)?_?(vocab|tokens?|words?|embeddings|emb)(_?size)?|(src|tgt|input|output)_?vocab(_?size)?|ntoken", 100),
    (r".*(heads?|n_?head|nhead)", 4),
    (r"(n|num)_?groups?|groups", 1),
    (r"kernel(_?size)?|ks?|filter_?size|kernel_?sizes?|k_size", 3),
    (r"strides?|s|dilations?|dilation_?rate|rate|expan(d|sion)(_?ratio)?|factor|cardinality|t", 1),
    (r"(scale|up(scale)?|down(scale)?)(_?factor)?", 2),
    (r"paddings?|pad|p", 1),
    (r"(attn_?|ff_?|emb_?|path_?|feat_?|input_?)?(drop|dropout|dropouts|drop_?rate|drop_?prob|drop_?path|dropout_?(p|rate|prob))|pdrop", 0.1),
    (r"(bn_?|norm_?)?eps(ilon)?", 1e-5),
    (r"(bn_?)?momentum", 0.1),
    (r"alpha|beta|gamma|temperature|temp|margin|.*ratio|.*slope", 0.5),
    (r"reduction|squeeze|r", 4),
    (r"(n|num)?_?(layers?|blocks?|stages?|repeats?|convs?|units?|res_?blocks?|resblocks|hidden_layers)|depth|n|blocks?_?(num|count)|repeat", 2),
    (r"layers|depths?|block_?(config|layers)|num_?blocks|layer_?(sizes|dims)?|blocks", (2, 2, 2, 2)),
    (r"patch(_?size)?|window(_?size)?|ws", 4),
    (r"(image|img|input|in)_?(size|res|resolution|shape|hw|height|width|h|w)|resolution|height|width|size|h|w", 32),
    (r"(max_?)?(seq|sequence|context|block|len|length|max_?len|max_?length|num_?patches)(_?(len|length|size))?", 16),
    (r"growth(_?rate)?|k", 32),
    (r"(latent|noise|z|nz|code)(_?(dim|dims|size|ch|channels?))?", 100),
    (r"(n|num)_?(queries|experts|anchors|points|joints|keypoints|slots|steps|frames|nodes|relations)", 8),
    (r"bias|use_?\w+|with_?\w+|is_?\w+|has_?\w+|affine|residual|downsample|batch_?norm|bn|norm", False),
    (r".*(hidden|dim|dims|width|features?|feats?|size|channels?|planes|ch|embed|emb|units|model|base|nf|ngf|ndf).*", "width"),
)  # fmt: skip
_TYPES: tuple[tuple[str, type[nn.Module]], ...] = (
    (r".*(norm|bn).*", nn.BatchNorm2d),
    (r".*(act|activation|nonlinear|nl|relu).*", nn.ReLU),
    (r".*conv.*", nn.Conv2d),
)


@dataclass(slots=True)
class Filled:
    """Keyword values for required parameters; ``guessed`` names them, ``missing`` is what failed."""

    values: dict[str, Any] = field(default_factory=dict)
    guessed: list[str] = field(default_factory=list)
    missing: str = ""


def fill(
    parameters: tuple[inspect.Parameter, ...], profile: Profile, names: Mapping[str, Any]
) -> Filled:
    """Values for these parameters; stops at the first one that nothing is known about.

    ``names`` is the module's namespace, where annotations and classes of the file are looked up.
    """
    filled = Filled()
    for parameter in parameters:
        found = list(_values(parameter, profile, names))
        if not found:
            filled.missing = parameter.name
            return filled
        filled.values[parameter.name] = found[0]
        filled.guessed.append(parameter.name)
    return filled


def _values(
    parameter: inspect.Parameter, profile: Profile, names: Mapping[str, Any]
) -> Iterator[Any]:
    hint, name = _annotation(parameter, names), parameter.name.lower().strip("_")
    if _wants_type(hint, name):
        yield from _layer_types(name, names)
    yield from _fitting(hint, (_number(name, profile),))
    yield from _by_annotation(hint, profile)
    if hint in (inspect.Parameter.empty, Any) and _is_config(name):
        yield GuessedConfig(profile)


def _number(name: str, profile: Profile) -> Any:
    for pattern, value in _NUMBERS:
        if re.fullmatch(pattern, name):
            return _resolved(value, profile)
    return None


def _resolved(value: Any, profile: Profile) -> Any:
    roles = {"in": profile.channels_in, "out": profile.channels_out, "width": WIDTH}
    return roles.get(value, value) if isinstance(value, str) else value


def _fitting(hint: Any, values: tuple[Any, ...]) -> Iterator[Any]:
    """The values that an annotation does not rule out, turned into what it asks for."""
    for value in values:
        if value is None:
            continue
        if hint in (inspect.Parameter.empty, Any) or hint in (float, int, bool):
            if hint is int and isinstance(value, tuple):
                yield value[0]
            elif hint is bool or not isinstance(value, bool) or hint in (inspect._empty, Any):
                yield hint(value) if hint in (float, bool) else value
        elif _origin(hint) in (tuple, list):
            yield _sequence(hint, value)
        elif _origin(hint) in (typing.Union, type(int | str)):
            for option in typing.get_args(hint):
                yield from _fitting(option, (value,))


def _sequence(hint: Any, value: Any) -> Any:
    items = value if isinstance(value, tuple) else None
    arguments = [a for a in typing.get_args(hint) if a is not ...]
    if items is None:
        count = len(arguments) if _origin(hint) is tuple and len(arguments) > 1 else 2
        items = (value,) * count
    return list(items) if _origin(hint) is list else tuple(items)


def _by_annotation(hint: Any, profile: Profile) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        yield next(iter(hint))
    elif _origin(hint) is typing.Literal:
        yield typing.get_args(hint)[0]
    elif _is_optional(hint):
        yield None
    elif hint in (bool, float, int, str):
        yield {bool: False, float: 0.1, int: profile.channels_in}.get(hint, "")
    elif isinstance(hint, type) and hint.__module__ != "builtins" and not _required(hint):
        yield from _instance(hint)


def _instance(cls: type) -> Iterator[Any]:
    """A settings object of a class whose arguments all have defaults."""
    if issubclass(cls, nn.Module):
        return
    try:
        yield cls()
    except Exception:
        return


def _required(cls: type) -> bool:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return True
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is p.empty and p.kind not in fixed for p in parameters)


def _wants_type(hint: Any, name: str) -> bool:
    if _origin(hint) is type or _origin(hint) is Callable or hint in (type, Callable):
        return True
    untyped = hint in (inspect.Parameter.empty, Any) or "Callable" in str(hint)
    return untyped and bool(re.fullmatch(r".*(_layer|_func|_fn|_class|_cls|layer_type)|block|activation|act|norm", name))


def _layer_types(name: str, names: Mapping[str, Any]) -> Iterator[Any]:
    if re.fullmatch(r".*block.*|.*cell.*", name):
        for value in names.values():
            if isinstance(value, type) and issubclass(value, nn.Module) and "lock" in value.__name__:
                yield value
    for pattern, cls in _TYPES:
        if re.fullmatch(pattern, name):
            yield cls


def _annotation(parameter: inspect.Parameter, names: Mapping[str, Any]) -> Any:
    hint = parameter.annotation
    if isinstance(hint, str):
        try:
            return eval(hint, dict(names))  # the file's own annotation, postponed
        except Exception:
            return inspect.Parameter.empty
    return hint


def _origin(hint: Any) -> Any:
    origin = typing.get_origin(hint) or hint
    return {typing.Callable: Callable}.get(origin, origin) if _hashable(origin) else origin


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _is_optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _is_config(name: str) -> bool:
    return bool(re.fullmatch(r".*(config|cfg|args?|opts?|options|hparams|params|settings|conf)", name))


class GuessedConfig:
    """A settings object that answers by the names it is asked for."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._asked: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = _number(name.lower(), self._profile)
        if value is None:
            raise AttributeError(f"nothing is known about the setting {name!r}")
        return self._asked.setdefault(name, value)

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as error:
            raise KeyError(name) from error

    def get(self, name: str, default: Any = None) -> Any:
        """The default where there is one, else the guess."""
        return default if default is not None else getattr(self, name)
