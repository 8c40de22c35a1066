"""How a user's file is imported: packages, folders above it, and what is not installed."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bnlint.domain.finding import ProblemKind
from bnlint.domain.request import TraceOutcome
from bnlint.loading.retry import extend_path
from bnlint.pipeline.notes import plain_reason
from tests.unit.isolation.conftest import LINEAR, Check

Write = Callable[[str, str], str]


def names(outcome: TraceOutcome) -> list[str]:
    return [g.ref.name for g in outcome.graphs]


def kinds(outcome: TraceOutcome) -> list[ProblemKind]:
    return [p.kind for p in outcome.problems]


def test_a_member_of_a_package(check: Check, write: Write) -> None:
    write("", "pkg/__init__.py")
    write("from .sizes import WIDTH\n", "pkg/models/__init__.py")
    write("WIDTH = 3\n", "pkg/models/sizes.py")
    write("DEPTH = 1\n", "pkg/other.py")
    code = "from . import WIDTH\nfrom ..other import DEPTH\nassert __package__ == 'pkg.models'\n"
    outcome = check(code + LINEAR, name="pkg/models/net.py")
    assert names(outcome) == ["Net"]
    assert [p.rpartition("pkg/")[2] for p in outcome.imported] == [
        "__init__.py",
        "models/__init__.py",
        "models/sizes.py",
        "other.py",
    ]


def test_relative_imports_without_a_package(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "my-code/models/sizes.py")
    write("DEPTH = 1\n", "my-code/other.py")
    code = "from .sizes import WIDTH\nfrom ..other import DEPTH\n"
    assert names(check(code + LINEAR, name="my-code/models/net.py")) == ["Net"]


def test_the_package_itself(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "pkg/sizes.py")
    assert names(check("from .sizes import WIDTH\n" + LINEAR, name="pkg/__init__.py")) == ["Net"]


def test_a_package_that_imports_the_file(check: Check, write: Write) -> None:
    write("from .net import Net\n", "pkg/__init__.py")
    assert names(check(LINEAR, name="pkg/net.py")) == ["Net"]


def test_a_folder_inside_a_package_does_not_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/lib", "/site"])
    extend_path("/site", "/site/net/models")
    assert sys.path == ["/lib", "/site", "/site/net/models"]
    extend_path("/home", "/home/net")
    assert sys.path == ["/home", "/home/net", "/lib", "/site", "/site/net/models"]


def test_a_local_module_in_a_folder_above(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "project/tools/sizes.py")
    code = "from tools.sizes import WIDTH\n"
    outcome = check(code + LINEAR, name="project/src/models/net.py")
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == []


def test_a_package_that_is_a_folder_of_folders(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "space/inner/sizes.py")
    outcome = check("from space.inner.sizes import WIDTH\n" + LINEAR, name="space/inner/net.py")
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == []


def test_a_folder_of_folders_beside_a_package_that_is_not_installed(
    check: Check, write: Write
) -> None:
    write("WIDTH = 3\n", "space/inner/sizes.py")
    code = "import nowhere_at_all\nfrom space.inner.sizes import WIDTH\nassert WIDTH == 3\n"
    outcome = check(code + LINEAR, name="space/inner/net.py")
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == [ProblemKind.STUBBED_IMPORT]


def test_a_notebook_saved_as_a_script(check: Check) -> None:
    magics = """\
get_ipython().run_line_magic('matplotlib', 'inline')
get_ipython().system('touch was-run')
files = get_ipython().getoutput('ls')
assert files == []
"""
    outcome = check(magics + LINEAR)
    assert (names(outcome), kinds(outcome)) == (["Net"], [])
    asks = """\
try:
    get_ipython()
except NameError:
    pass
else:
    raise ValueError("this is no notebook")
"""
    assert names(check(asks + LINEAR)) == ["Net"]


def test_a_file_named_like_a_module_of_python(check: Check) -> None:
    assert names(check("import random\nrandom.random()\n" + LINEAR, name="random.py")) == ["Net"]
    assert names(check(LINEAR, name="torch.py")) == ["Net"]
    assert names(check(LINEAR, name="not a name.py")) == ["Net"]


def test_main_blocks_are_not_run(check: Check) -> None:
    outcome = check(LINEAR + "if __name__ == '__main__':\n    raise SystemExit(1)\n")
    assert names(outcome) == ["Net"]


STUBBED = """
import nowhere_lightning as pl
import nowhere.sub.deep as deep
from nowhere_zoo import register, BASE
from nowhere_types import *
from torch import nn

class Net(pl.LightningModule):
    def __init__(self, width: deep.Width = 4):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(3, width)

    def forward(self, x):
        return self.layer(x)

class Data(pl.LightningDataModule):
    pass

@register
def build():
    return Net(5)

@register.model(name="x")
def other():
    return Net(6)
"""


def test_packages_that_are_not_installed_are_replaced(check: Check) -> None:
    outcome = check(STUBBED)
    assert names(outcome) == ["Net", "build", "other"]
    (problem,) = outcome.problems
    assert problem.kind is ProblemKind.STUBBED_IMPORT
    assert not problem.blocking
    assert problem.line == 2
    assert "nowhere_lightning" in problem.message
    assert "nowhere_zoo" in problem.message


def test_no_stub_takes_part_in_a_graph(check: Check) -> None:
    code = LINEAR.replace("self.layer(x)", "self.layer(missing.act(x))")
    outcome = check("import nowhere_act as missing\n" + code)
    assert [g.trace.complete for g in outcome.graphs] == [False]
    reasons = [r.reason for g in outcome.graphs for r in g.trace.refusals]
    assert any("not installed" in r for r in reasons), reasons


def test_a_stub_is_no_layer(check: Check) -> None:
    outcome = check("import nowhere_act\n" + LINEAR.replace("nn.Linear(3, 4)",
                    "nn.Sequential(nn.Linear(3, 4), nowhere_act.Act())"))  # fmt: skip
    assert kinds(outcome) == [ProblemKind.STUBBED_IMPORT]
    assert names(outcome) == ["Net"]
    (graph,) = outcome.graphs
    assert [op.kind for op in graph.ops] == ["input", "linear", "opaque", "output"]
    assert not graph.trace.complete
    (part,) = graph.trace.opaque
    assert "nowhere_act" in part.reason


def test_an_import_in_a_try_still_fails_as_it_should(check: Check) -> None:
    code = "try:\n    import nowhere_fast\n    FAST = True\nexcept ImportError:\n    FAST = False\n"
    outcome = check(code + "assert not FAST\n" + LINEAR)
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == []


def test_a_name_that_an_installed_package_lacks(check: Check) -> None:
    outcome = check("from torch.utils.data import NoSuchThing\n" + LINEAR)
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == [ProblemKind.STUBBED_IMPORT]
    assert "torch.utils.data.NoSuchThing" in outcome.problems[0].message


def test_a_missing_part_of_the_own_package_is_not_replaced(check: Check, write: Write) -> None:
    write("", "pkg/__init__.py")
    outcome = check("import torch\nfrom .layers import Layer\n" + LINEAR, name="pkg/net.py")
    assert kinds(outcome) == [ProblemKind.IMPORT_FAILED]
    assert outcome.problems[0].line == 2
    assert "pkg.layers" in outcome.problems[0].message


def test_a_compiled_part_that_a_local_module_lacks(check: Check, write: Write) -> None:
    write("", "ops/__init__.py")
    write("from . import _ext\ndef act(x):\n    return _ext.act(x)\n", "ops/acts.py")
    code = LINEAR.replace("self.layer(x)", "act(self.layer(x))")
    outcome = check("from ops.acts import act\n" + code)
    first, *_ = outcome.problems
    assert first.kind is ProblemKind.IMPORT_FAILED
    assert "compiled part" in first.hint
    reasons = [r.reason for g in outcome.graphs for r in g.trace.refusals]
    assert {reason for reason in reasons if "_ext is needed" not in reason} == set()
    assert reasons


def test_an_error_in_a_local_module_names_the_line_of_the_file(check: Check, write: Write) -> None:
    write("def broken():\n    return 1 / 0\nbroken()\n", "local.py")
    outcome = check("import torch\nimport local\n" + LINEAR)
    assert kinds(outcome) == [ProblemKind.IMPORT_FAILED]
    assert outcome.problems[0].line == 2
    assert "ZeroDivisionError" in outcome.problems[0].message


def test_a_script_for_cuda_is_checked_without_it(check: Check) -> None:
    code = LINEAR.replace("nn.Linear(3, 4)", "nn.Linear(3, 4).cuda()")
    code += "device = torch.device('cuda')\nmodel = Net().to(device)\nx = torch.ones(1).cuda()\n"
    outcome = check(code)
    assert names(outcome) == ["model"]
    assert kinds(outcome) == []


def test_weights_are_neither_fetched_nor_read(check: Check) -> None:
    code = """
    import torch
    from torch import nn
    class Net(nn.Module):
        def __init__(self, pretrained=True):
            super().__init__()
            self.layer = nn.Linear(3, 4)
            if pretrained:
                torch.hub.load_state_dict_from_url("https://example.org/w.pth")
        def forward(self, x):
            return self.layer(x)
    """
    outcome = check(code)
    (graph,) = outcome.graphs
    assert graph.ref.arguments == "Net()"
    (note,) = outcome.problems
    assert note.kind is ProblemKind.WEIGHTS
    assert "w.pth" in note.message
    assert not note.blocking


def test_what_a_local_module_has_from_a_missing_one(check: Check, write: Write) -> None:
    write("from parameters import *\nWIDTH = HALF\n", "common.py")
    outcome = check("from common import *\n" + LINEAR.replace("from torch import nn", ""))
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == [ProblemKind.STUBBED_IMPORT]


def test_models_that_the_hub_has_from_an_installed_package(check: Check, write: Write) -> None:
    write("", "torchvision/__init__.py")
    made = "from torch import nn\ndef small(pretrained):\n    return nn.Linear(3, 4)\n"
    write(made, "torchvision/models.py")
    hub = "torch.hub.load('pytorch/vision:v0.10.0', 'small', pretrained=True, verbose=False)"
    outcome = check(LINEAR.replace("nn.Linear(3, 4)", hub))
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == []


def test_a_model_around_one_whose_code_only_the_hub_has(check: Check) -> None:
    hub = "torch.hub.load('owner/backbones', 'small')"
    code = LINEAR.replace("nn.Linear(3, 4)", f"nn.Sequential({hub}, nn.Linear(3, 4))")
    outcome = check(code)
    assert (names(outcome), kinds(outcome)) == (["Net"], [])
    (part,) = outcome.graphs[0].trace.opaque
    assert plain_reason(part.reason) == "`small` of github.com/owner/backbones is not downloaded"
    outcome = check(LINEAR.replace("nn.Linear(3, 4)", f"nn.Linear({hub}.width, 4)"))
    assert kinds(outcome) == [ProblemKind.NOT_BUILT]
    assert "is not downloaded: its `width` is not known" in outcome.problems[0].message


def test_a_download_without_a_way_around_it(check: Check) -> None:
    code = LINEAR.replace("super().__init__()", "super().__init__()\n        import urllib.request"
                          "\n        urllib.request.urlopen('https://example.org/w')")  # fmt: skip
    outcome = check(code)
    assert kinds(outcome) == [ProblemKind.DOWNLOAD]
    assert "example.org" in outcome.problems[0].message
    assert "pretrained=False" in outcome.problems[0].hint


def test_an_encoding_that_is_declared_and_one_that_is_not(check: Check, write: Write) -> None:
    import bnlint.loading.parsing as source

    path = write("", "latin.py")
    with open(path, "wb") as stream:
        stream.write(b"# -*- coding: latin-1 -*-\nname = '\xe9'\n")
    assert isinstance(source.read(path), source.Source)
    with open(path, "wb") as stream:
        stream.write(b"name = '\xe9'\n")
    problem = source.read(path)
    assert not isinstance(problem, source.Source)
    assert problem.blocking


def test_the_error_that_remains_is_told_with_what_was_replaced(check: Check) -> None:
    (problem,) = check("import nowhere_act\nwidth = missing_name\n" + LINEAR).problems
    assert problem.kind is ProblemKind.IMPORT_FAILED
    assert "NameError: name 'missing_name' is not defined" in problem.message
    assert "install nowhere_act" in problem.hint


def test_a_folder_that_is_called_like_the_file(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "model/config.py")
    code = "from model.config import WIDTH\n" + LINEAR
    outcome = check(code, name="model/model.py")
    assert names(outcome) == ["Net"]
    assert kinds(outcome) == []


def test_what_a_base_that_is_not_installed_may_have_is_no_fault(check: Check) -> None:
    code = "from nowhere_at_all import Base\n" + LINEAR.replace("nn.Module", "Base")
    outcome = check(code.replace("self.layer(x)", "self._merged(self.layer(x))"))
    (graph,) = outcome.graphs
    assert [op.error for op in graph.ops if op.error] == []
    assert not graph.trace.complete
