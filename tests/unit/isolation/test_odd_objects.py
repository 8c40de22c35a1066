"""An odd object costs itself, not the file."""

from __future__ import annotations

import pytest

from tests.unit.isolation.conftest import LINEAR, Check

pytestmark = pytest.mark.hostile

ODD = {
    "an attribute that raises": (
        "class Odd:\n    def __getattr__(self, n): raise OSError(n)\nodd = Odd()"),
    "every attribute raises": (
        "class Odd:\n    def __getattribute__(self, n): raise OSError(n)\nodd = Odd()"),
    "no text": (
        "class Odd:\n    def __repr__(self): raise OSError\n    __str__ = __repr__\nodd = Odd()"),
    "no hash and no equality": (
        "class Odd:\n    def __hash__(self): raise OSError\n"
        "    def __eq__(self, o): raise OSError\nodd = Odd()"),
    "a class that raises": (
        "class Odd:\n    @property\n    def __class__(self): raise OSError\nodd = Odd()"),
    "a dead proxy": (
        "import weakref\nclass T: pass\nodd = weakref.proxy(T())"),
    "a huge number": "odd = 10 ** 6000",
    "a list that holds itself": "odd = []\nodd.append(odd)",
    "a class of a class that raises": (
        "class Odd(type):\n    def __getattribute__(cls, n): raise OSError(n)\n"
        "class odd(metaclass=Odd): pass"),
    "containers that raise": (
        "class Odd(list):\n    def __iter__(self): raise OSError\n    __len__ = __iter__\n"
        "class OddDict(dict):\n    def items(self): raise OSError\n"
        "odd = Odd([OddDict(a=1)])"),
    "a deep list": "odd = []\nfor _ in range(3000): odd = [odd]",
    "a module that was never set up": "odd = nn.Linear.__new__(nn.Linear)",
    "a module without its state": "odd = nn.Linear(2, 2)\nodd.__dict__.clear()",
    "a module with odd names": "odd = nn.Linear(2, 2)\nodd._parameters = {1: 2, None: 3}",
    "a tensor that raises": (
        "import torch\nclass Odd(torch.Tensor):\n"
        "    def __torch_function__(*a, **k): raise OSError\n"
        "odd = torch.zeros(3).as_subclass(Odd)"),
    "a dict with odd keys": "odd = {(1, None): {2: nn.ReLU()}, 10 ** 6000: nn.Linear(2, 2)}",
}  # fmt: skip
HOLDER = """
class Holder(nn.Module):
    def __init__(self, odd=None):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.__dict__["odd"], self.__dict__["more"] = odd, [odd]

    def forward(self, x):
        return self.fc(x)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.holder = Holder(odd)

    def forward(self, x):
        return self.holder(x)


ready = Outer()
"""
CIRCLE = """
class Circle(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)
        self.__dict__["own"] = [self]

    def forward(self, x):
        return self.fc(x)
"""


@pytest.mark.parametrize("name", ODD)
def test_an_odd_object(name: str, check: Check) -> None:
    outcome = check(f"{LINEAR}\n{ODD[name]}\n{HOLDER}")
    assert {"Net", "ready"} <= {g.ref.name for g in outcome.graphs}, outcome.problems
    assert not any("internal error" in p.message for p in outcome.problems)


def test_a_module_that_holds_itself(check: Check) -> None:
    outcome = check(f"{LINEAR}\n{CIRCLE}")
    assert {"Net", "Circle"} == {g.ref.name for g in outcome.graphs}, outcome.problems


def test_a_module_that_is_its_own_submodule_leaves_its_neighbours(check: Check) -> None:
    circle = CIRCLE.replace('self.__dict__["own"] = [self]', "self._modules['own'] = self")
    outcome = check(f"{LINEAR}\n{circle}")
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    assert [p.model for p in outcome.problems] == ["Circle"]


def test_a_model_that_fails_oddly_leaves_its_neighbours(check: Check) -> None:
    raises = (
        "class Odd(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "    def forward(self, x): return x\n"
        "    def modules(self): raise OSError('no modules')\n"
    )
    outcome = check(f"import torch.nn as nn\n{raises}\n{LINEAR}")
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    assert any(p.model == "Odd" for p in outcome.problems)


LACKING = """
class Act(nn.Module):
    def __init__(self): pass
    def forward(self, x): return x


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = Act()

    def forward(self, x):
        return self.act(x)


ready = nn.Sequential(nn.Linear(2, 2), Act())
"""


def test_a_module_without_the_constructor_of_its_base(check: Check) -> None:
    """The models that hold it say what is wrong; torch would fail where it is called."""
    outcome = check(f"import torch.nn as nn\n{LACKING}\n{LINEAR}")
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    said = {p.model: p.message for p in outcome.problems if p.model}
    assert "`act` (Act) is not set up: its __init__ does not call super()" in said["Whole"]
    assert "`1` (Act) is not set up" in said["ready"]


RAISES = ("__hash__", "modules", "named_modules", "named_parameters", "__repr__")


@pytest.mark.parametrize("name", RAISES)
def test_a_ready_model_that_raises_leaves_its_neighbours(name: str, check: Check) -> None:
    odd = f"class Odd(nn.Linear):\n    def {name}(self, *a, **k): raise OSError\nodd = Odd(2, 2)\n"
    outcome = check(f"import torch.nn as nn\n{LINEAR}\n{odd}\nready = nn.Linear(3, 3)\n")
    assert {"Net", "ready"} <= {g.ref.name for g in outcome.graphs}
    assert not any("internal error" in p.message for p in outcome.problems)


def test_odd_names_around_a_class(check: Check) -> None:
    """An odd object beside a class, in it and as a default is looked at by no code of its own."""
    for odd in ("every attribute raises", "a class that raises", "a dead proxy"):
        text = LINEAR.replace("def forward(self, x", "kept = odd\n\n    def forward(self, x")
        outcome = check(f"import torch.nn as nn\n{ODD[odd]}\n{text}")
        assert [g.ref.name for g in outcome.graphs] == ["Net"], odd
        assert outcome.problems == ()


def test_modules_that_hold_each_other_are_no_error_of_bnlint(check: Check) -> None:
    circle = CIRCLE.replace('self.__dict__["own"] = [self]', "self._modules['own'] = self")
    outcome = check(f"{LINEAR}\n{circle}")
    assert not any("internal error" in p.message for p in outcome.problems)


@pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt"])
def test_a_model_that_ends_the_process_leaves_its_neighbours(raised: str, check: Check) -> None:
    ends = (
        "class Odd(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(2, 2)\n"
        f"    def parameters(self, *a): raise {raised}\n    def modules(self): raise {raised}\n"
        "    def forward(self, x): return self.fc(x)\n"
    )
    outcome = check(f"import torch.nn as nn\n{ends}\n{LINEAR}")
    assert [g.ref.name for g in outcome.graphs] == ["Net"]
    assert [p.model for p in outcome.problems] == ["Odd"]
