"""Dicts whose entries are attributes, too: what packages for settings offer, where none is there.

What such a dict holds decides how a model is built, so that a stub would not do.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

_NO_ENTRIES = ("box_", "default_box", "frozen_box", "conversion_box", "camel_killer", "new_allowed")
"""Beginnings of keywords that say how a dict behaves, and are no entries of it."""


class SettingsDict(dict[str, Any]):
    """A dict with attributes; dicts inside of it are of its kind.

    Its methods are those of EasyDict, Munch, Box, addict, CfgNode and ConfigDict that code uses
    which describes a model.
    """

    def __init__(self, given: object = None, *_: Any, **entries: Any) -> None:
        super().__init__()
        kept = {k: v for k, v in entries.items() if not k.startswith(_NO_ENTRIES)}
        self.update(_entries(given), **kept)

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, _kept(value, type(self)))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        self.pop(name, None)

    def __deepcopy__(self, memo: dict[int, Any]) -> SettingsDict:
        return type(self)({key: copy.deepcopy(value, memo) for key, value in self.items()})

    def update(self, *given: Any, **entries: Any) -> None:
        """Set entries, as a dict does."""
        for name, value in dict(*given, **entries).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The entry, which is set to the default if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def copy(self) -> SettingsDict:
        """A copy of it and of all that is in it."""
        return copy.deepcopy(self)

    clone = copy

    def freeze(self, *_: Any, **__: Any) -> None:
        """Change nothing: what is frozen has the same entries."""

    defrost = lock = unlock = set_new_allowed = freeze

    def merge_from_file(self, path: str) -> None:
        """Set what a YAML file says; raises OSError if there is none."""
        self._merge(read_yaml(path))

    def merge_from_list(self, pairs: list[Any]) -> None:
        """Set entries by their dotted names: ``["MODEL.DEPTH", 18]``."""
        for path, value in zip(pairs[::2], pairs[1::2], strict=True):
            _set_at(self, path, yaml.safe_load(value) if isinstance(value, str) else value)

    def merge_from_other_cfg(self, other: Mapping[str, Any]) -> None:
        """Set what another one says."""
        self._merge(other)

    def to_dict(self) -> dict[str, Any]:
        """The same entries in plain dicts."""
        return {key: _plain(value) for key, value in self.items()}

    toDict = as_dict = to_dict  # noqa: N815

    def dump(self, *_: Any, **__: Any) -> str:
        """The entries as YAML."""
        return yaml.safe_dump(self.to_dict())

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> SettingsDict:
        """One with these entries."""
        return cls(given)

    fromDict = munchify = from_dict  # noqa: N815

    @classmethod
    def load_cfg(cls, file: Any) -> SettingsDict:
        """One with the entries of YAML, as text or in an open file."""
        return cls(yaml.safe_load(file))

    def _merge(self, other: Mapping[str, Any]) -> None:
        for name, value in other.items():
            own = self.get(name)
            if isinstance(own, SettingsDict) and isinstance(value, Mapping):
                own._merge(value)
            else:
                self[name] = value


class GrowingDict(SettingsDict):
    """One that gets an empty dict for each name that is asked of it."""

    def __missing__(self, name: str) -> Any:
        self[name] = type(self)()
        return self[name]


class OmegaConf:
    """The functions of the class of this name that make, read and join settings."""

    @staticmethod
    def create(given: Any = None, *_: Any, **__: Any) -> Any:
        """Settings with the entries of a dict, of YAML or of a list of ``name=value``."""
        if isinstance(given, str):
            given = yaml.safe_load(given)
        return _kept({} if given is None else given, SettingsDict)

    @staticmethod
    def load(file: Any) -> SettingsDict:
        """The settings of a YAML file; raises OSError if there is none."""
        return SettingsDict(yaml.safe_load(file) if hasattr(file, "read") else read_yaml(file))

    @staticmethod
    def merge(*given: Any) -> SettingsDict:
        """All entries; later ones count."""
        merged = SettingsDict()
        for each in given:
            merged._merge(_entries(each))
        return merged

    @staticmethod
    def structured(given: Any, *_: Any, **__: Any) -> SettingsDict:
        """The fields of a data class as settings."""
        return SettingsDict(given() if isinstance(given, type) else given)

    @staticmethod
    def from_dotlist(entries: Iterable[str]) -> SettingsDict:
        """Settings from texts such as ``model.depth=18``."""
        made = SettingsDict()
        made.merge_from_list([part for entry in entries for part in entry.split("=", 1)])
        return made

    @staticmethod
    def from_cli(*_: Any) -> SettingsDict:
        """No settings, since bnlint imports a file without arguments."""
        return SettingsDict()

    @staticmethod
    def to_container(given: Any, *_: Any, **__: Any) -> Any:
        """The same entries in plain dicts."""
        return _plain(given)

    @staticmethod
    def select(given: Any, path: str, *, default: Any = None, **_: Any) -> Any:
        """The entry at a dotted name, else the default."""
        for name in path.split("."):
            if not isinstance(given, dict) or dict.get(given, name) is None:
                return default
            given = given[name]
        return given

    @staticmethod
    def update(given: Any, path: str, value: Any, **_: Any) -> None:
        """Set the entry at a dotted name."""
        _set_at(given, path, value)

    @staticmethod
    def is_missing(given: Any, name: str) -> bool:
        """Whether an entry is to be filled in."""
        return bool(given.get(name) == "???")

    @staticmethod
    def to_yaml(given: Any, **_: Any) -> str:
        """The entries as YAML."""
        return yaml.safe_dump(_plain(given))

    @staticmethod
    def is_config(given: Any) -> bool:
        """Whether it is an object of settings."""
        return isinstance(given, SettingsDict)

    @staticmethod
    def resolve(*_: Any, **__: Any) -> None:
        """Do nothing."""

    set_struct = set_readonly = register_new_resolver = register_resolver = resolve


def read_yaml(path: Any) -> Mapping[str, Any]:
    """The entries of a YAML file; raises OSError if there is none."""
    with open(Path(path), encoding="utf-8") as file:
        return _entries(yaml.safe_load(file))


def _set_at(holder: Any, path: str, value: Any) -> None:
    """Set the entry at a dotted name, in new dicts where there are none on the way to it."""
    *owners, name = path.split(".")
    for owner in owners:
        holder = holder.setdefault(owner, {})
    holder[name] = value


def _entries(given: object) -> Mapping[str, Any]:
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        return dataclasses.asdict(given)
    if isinstance(given, Mapping):
        return given
    return dict(given) if isinstance(given, (list, tuple)) else vars(given) if given else {}


def _kept(value: Any, kind: type[SettingsDict]) -> Any:
    """A value as an entry: dicts in it become settings."""
    if isinstance(value, dict) and not isinstance(value, SettingsDict):
        return kind(value)
    if type(value) in (list, tuple):
        return type(value)(_kept(entry, kind) for entry in value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, SettingsDict):
        return value.to_dict()
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    return value


SETTINGS: Mapping[tuple[str, str], Any] = {
    ("easydict", "EasyDict"): SettingsDict,
    ("munch", "Munch"): SettingsDict,
    ("munch", "munchify"): SettingsDict,
    ("box", "Box"): SettingsDict,
    ("attrdict", "AttrDict"): SettingsDict,
    ("yacs", "CfgNode"): SettingsDict,
    ("ml_collections", "ConfigDict"): SettingsDict,
    ("omegaconf", "DictConfig"): SettingsDict,
    ("omegaconf", "OmegaConf"): OmegaConf,
    ("addict", "Dict"): GrowingDict,
    ("dotmap", "DotMap"): GrowingDict,
}
"""The dicts by the package and the name."""
