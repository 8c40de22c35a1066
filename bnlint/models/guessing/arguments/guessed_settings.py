"""A settings object that answers what a constructor reads from it, found values before guesses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

Answer = Callable[[str], Any]
"""A guess for a setting by its name; raises LookupError if nothing is known about it."""


class GuessedSettings(dict[str, Any]):
    """A dict whose entries are attributes too; what it lacks is guessed when it is read."""

    __slots__ = ("__dict__", "_bnlint")

    def __init__(self, known: Mapping[str, Any], answer: Answer, name: str = "") -> None:
        super().__init__(known)
        object.__setattr__(self, "__dict__", self)
        object.__setattr__(self, "_bnlint", (answer, name, []))

    def guessed(self) -> tuple[str, ...]:
        """The settings whose values were guessed, as they are read: ``cfg.model.depth``."""
        _, name, guessed = self._bnlint
        inner = [v for v in self.values() if isinstance(v, GuessedSettings)]
        own = [
            f"{name}.{each}" for each in guessed if not isinstance(self.get(each), GuessedSettings)
        ]
        return (*own, *(g for each in inner for g in each.guessed()))

    def guess(self, name: str, value: Any) -> None:
        """Set a value that is guessed, too."""
        if name not in self._bnlint[2]:
            self._bnlint[2].append(name)
        self[name] = value

    def __repr__(self) -> str:
        """Three dots, as reports show it in a call."""
        return "..."

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(f"nothing is known about the setting {name!r}") from error

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __missing__(self, name: str) -> Any:
        answer = self._bnlint[0]
        try:
            value = answer(name)
        except LookupError:
            raise KeyError(name) from None
        self.guess(name, value)
        return value

    def __deepcopy__(self, memo: dict[int, Any]) -> GuessedSettings:
        answer, name, guessed = self._bnlint
        made = type(self)({k: copy.deepcopy(v, memo) for k, v in self.items()}, answer, name)
        made._bnlint[2].extend(guessed)
        return made

    def copy(self) -> GuessedSettings:
        """Another object with the same settings."""
        return copy.deepcopy(self)

    def get(self, name: str, default: Any = None) -> Any:
        """The setting, else the default if there is one, else a guess."""
        if name in self or default is None:
            try:
                return self[name]
            except KeyError:
                return None
        return default


class CountedSettings(GuessedSettings):
    """Settings that have a length of their own, as a vocabulary has."""

    __slots__ = ()
    count = 100

    def __len__(self) -> int:
        return self.count
