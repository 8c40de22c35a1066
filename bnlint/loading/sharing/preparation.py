"""What is changed in a process before it runs code of the user, and what it imported for others.

For child processes only: nothing of it is undone.
"""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType

import torch

from bnlint.domain.request import Consulted
from bnlint.loading.consulted import Lookups, watch
from bnlint.loading.flex_attention import attend_by_formula
from bnlint.loading.hub_models import without_hub
from bnlint.loading.missing.operators import define_operator
from bnlint.loading.missing.stubs import Stubs
from bnlint.loading.provisions import Provisions
from bnlint.loading.sites import record_sites
from bnlint.loading.user_code import NoAccelerator, deny_downloads
from bnlint.loading.weights import without_weights

_RETRIES = 40

_LITTLE = 0.01
"""Seconds that are not worth to ask which of several imports took them."""

COSTS: dict[str, float] = {}
"""The seconds of the processor that import statements of this process took, by their text."""


@contextmanager
def timed(statements: Sequence[str]) -> Iterator[None]:
    """Notes what the block cost for those of the statements that it may have run.

    What one cost that failed first is added to the next try.
    """
    began = time.process_time()
    try:
        yield
    finally:
        spent = time.process_time() - began
        several = len(statements) > 1 and spent > _LITTLE
        for statement in filter(_may_cost, statements) if several else statements:
            COSTS[statement] = COSTS.get(statement, 0.0) + spent


def _may_cost(statement: str) -> bool:
    """False for what a module that was imported for it simply holds, and for the module if not."""
    module, name = statement.split()[1], statement.split()[-1]
    found = sys.modules.get(module)
    made = type(found) is not ModuleType or "__getattr__" in vars(found)
    if statement.startswith("import"):
        return not made
    return made or f"{module}.{name}" in sys.modules


@dataclass(slots=True)
class Preparation:
    """A process that is ready for code of the user.

    ``known`` are the names of the modules that were there before, ``tops`` the top-level modules
    that were imported since for several files, and ``operators`` what those lacked.
    """

    provided: Provisions
    noted: Lookups | None
    known: frozenset[str]
    operators: dict[str, list[str]] = field(default_factory=dict)
    tops: tuple[str, ...] = ()

    def stubs_for(self, folders: Iterable[str]) -> Stubs:
        """The stubs that a file begins with, whose folders come first on the path.

        What was imported for several files is looked for again, in the folders of this one.
        """
        if self.noted is not None:
            for name in self.tops:
                self.noted.module(name, [*folders, *sys.path])
        stubs = Stubs()
        stubs.operators.update((name, [*found]) for name, found in self.operators.items())
        return stubs

    def consulted(self) -> Consulted:
        """All that the code of the user looked at."""
        assert self.noted is not None
        return self.noted.consulted()


_shared: list[Preparation] = []


def prepare(path: str, *, watched: bool = True) -> Preparation:
    """This process, ready to import the file at ``path``: what it looks at may be ``watched``."""
    if _shared:
        made = _shared[0]
        made.provided.path = path
    else:
        known = frozenset(sys.modules)
        made = Preparation(Provisions(path), watch() if watched else None, known)
        _change(made.provided)
    sys.dont_write_bytecode = True
    sys.argv = [path]
    warnings.simplefilter("ignore")
    return made


def _change(provided: Provisions) -> None:
    deny_downloads()
    provided.install()
    without_weights()
    without_hub()
    attend_by_formula()
    torch.manual_seed(0)
    random.seed(0)


def share(statements: Iterable[str]) -> tuple[str, ...]:
    """Run import statements for all files that this process is forked for.

    Returns the top-level modules that are new. Raises what an import raises.
    """
    made, stubs = prepare(""), Stubs()
    with record_sites(), NoAccelerator():
        for statement in statements:
            _run(statement, stubs)
    made.operators = stubs.operators
    new = (name for name in sys.modules if name not in made.known)
    made.tops = tuple(name for name in new if "." not in name)
    _shared.append(made)
    return made.tops


def _run(statement: str, stubs: Stubs) -> None:
    code = compile(statement, "<shared imports>", "exec")
    for _ in range(_RETRIES):
        try:
            exec(code, {"__name__": "_bnlint_shared"})
        except Exception as error:
            if not define_operator(error, stubs):
                raise
        else:
            return
