"""Which names in a written call hold settings, and which of their settings it reads."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping
from typing import Any

from bnlint.models.evidence.callees import bound
from bnlint.models.evidence.uses import ParameterUse
from bnlint.models.lexicon import CONFIG
from bnlint.models.outline import called

_LOADING = frozenset({"load", "safe_load", "full_load", "unsafe_load", "parse_args", "get_config"})
"""Functions that return settings, mostly of a file."""


class SettingsNames:
    """The names of a block that hold settings: what is called so, and what is loaded."""

    def __init__(self, scope: ast.AST, known: Mapping[str, Any]) -> None:
        self._loaded = set(_loaded(scope))
        self._aliases = dict(_aliases(scope, known))

    def plain(self, call: ast.Call) -> ast.Call:
        """The call with its aliases replaced: ``m`` by ``cfg["model"]``."""
        made: ast.Call = _Plain(self._aliases).visit(copy.deepcopy(call))
        return made

    def read(
        self, call: ast.Call, parameters: list[str], uses: Mapping[str, ParameterUse]
    ) -> dict[str, ParameterUse]:
        """The use of each name that holds settings; ``uses`` are those of the parameters."""
        found: dict[str, ParameterUse] = {}
        for parameter, value in bound(call, parameters):
            wanted = uses.get(parameter, ParameterUse())
            chains = list(_chains(value))
            for name, keys in filter(self._is_settings, chains):
                use = _at(found.setdefault(name, ParameterUse()), keys)
                use.add(wanted if len(chains) == 1 else ParameterUse(read=1))
        spread = [keyword.value for keyword in call.keywords if keyword.arg is None]
        for name, keys in filter(self._is_settings, (c for node in spread for c in _chains(node))):
            use = _at(found.setdefault(name, ParameterUse()), keys)
            for parameter in parameters:
                use.at(parameter).optional = True
        return found

    def _is_settings(self, chain: tuple[str, list[str]]) -> bool:
        return chain[0] in self._loaded or bool(CONFIG.fullmatch(chain[0].lower()))


def _at(use: ParameterUse, keys: list[str]) -> ParameterUse:
    for key in keys:
        use = use.at(key)
    return use


def _chains(node: ast.expr) -> Iterator[tuple[str, list[str]]]:
    """The dotted names and keys in an expression: ``args.model["depth"]``, the longest of each."""
    keys: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, (ast.Attribute, ast.Subscript)):
        key = inner.attr if isinstance(inner, ast.Attribute) else getattr(inner.slice, "value", "")
        keys.insert(0, key) if isinstance(key, str) and key else keys.clear()
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield inner.id, keys
        return
    for child in ast.iter_child_nodes(inner):
        if isinstance(child, ast.expr):
            yield from _chains(child)


def _loaded(scope: ast.AST) -> Iterator[str]:
    """The names of what is read from a file of settings."""
    for node in ast.walk(scope):
        value = node.value if isinstance(node, ast.Assign) else None
        if (
            isinstance(node, ast.Assign)
            and isinstance(value, ast.Call)
            and called(value) in _LOADING
        ):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _aliases(scope: ast.AST, known: Mapping[str, Any]) -> Iterator[tuple[str, ast.expr]]:
    """Unknown names for a part of something: ``model = cfg["model"]``."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Subscript, ast.Attribute)):
            names = (target.id for target in node.targets if isinstance(target, ast.Name))
            yield from ((name, node.value) for name in names if name not in known)


class _Plain(ast.NodeTransformer):
    """Takes ``self.args`` and ``self.hparams`` for the settings that they hold, names for parts."""

    def __init__(self, aliases: Mapping[str, ast.expr]) -> None:
        self.aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self.aliases.get(node.id, node))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        if own and CONFIG.fullmatch(node.attr.lower()):
            return ast.copy_location(ast.Name(node.attr, ast.Load()), node)
        return node
