"""What the values for parameters of a constructor rest on, and what is said without any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from bnlint.models.evidence.plain_values import built
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.lexicon import Profile


@dataclass(frozen=True, slots=True)
class Lacking:
    """No call can be made, because nothing is known about this parameter."""

    parameter: str


class StandIn(nn.Identity):
    """Replaces a model that is passed to another one: returns the first tensor that it gets."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The first tensor, else the first argument."""
        given = (*inputs, *named.values())
        tensors = (value for value in given if isinstance(value, torch.Tensor))
        return next(tensors, next(iter(given), None))


StandIn.__name__ = nn.Identity.__name__  # as reports show it in a call


class Classifier(nn.Sequential):
    """What a class of networks is replaced by that is called for so many classes."""

    def __init__(self, num_classes: int = 10, **_: Any) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(3, num_classes)


@dataclass(frozen=True, slots=True)
class Method:
    """Replaces a method of an object that nothing else is known about."""

    result: Any = None

    def __call__(self, *_: Any, **__: Any) -> Any:
        """The same result, whatever is asked."""
        return self.result


@dataclass(frozen=True, slots=True)
class Part:
    """A model that becomes an argument of another one: each try gets one of its own."""

    cls: type[nn.Module]
    arguments: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The call that builds it."""
        shown = (f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.cls.__name__}({', '.join(shown)})"

    def value(self) -> nn.Module:
        """The model, built now."""
        made = self.cls(**{name: built(value) for name, value in self.arguments.items()})
        for name, value in self.attributes.items():
            if not hasattr(made, name):
                setattr(made, name, built(value))
        return made


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a guess may rest on: numbers that go together, names of the module, uses by parameter.

    ``configured`` finds the known values of a settings object, ``part`` a model of a class.
    """

    profile: Profile
    names: Mapping[str, Any]
    uses: Mapping[str, ParameterUse]
    configured: Callable[[str, ParameterUse], Any] = lambda _name, _use: None
    part: Callable[[type[nn.Module]], Any] = lambda _cls: None
