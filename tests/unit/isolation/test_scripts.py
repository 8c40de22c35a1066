"""Files that do work when they are imported: what they define is checked all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bnlint.domain.finding import ProblemKind
from bnlint.domain.request import ModelSpec, TraceOutcome, TraceRequest
from bnlint.isolation.pool import Pool
from tests.unit.isolation.conftest import LINEAR, Check

Write = Callable[[str, str], str]


def names(outcome: TraceOutcome) -> list[str]:
    return [g.ref.name for g in outcome.graphs]


def kinds(outcome: TraceOutcome) -> list[ProblemKind]:
    return [p.kind for p in outcome.problems]


WORK = {
    "a download": (
        "import urllib.request\nurllib.request.urlretrieve('https://example.org/a')\n",
        ProblemKind.DOWNLOAD,
    ),
    "a data file": ("rows = open('/no/such.csv').read()\n\n", ProblemKind.IMPORT_FAILED),
    "an exit": ("import sys\nsys.exit('usage: net.py DATA')\n", ProblemKind.EXIT),
    "a question": ("\nname = input('name? ')\n", ProblemKind.IMPORT_FAILED),
    "an argument": ("import sys\nfolder = sys.argv[1]\n", ProblemKind.IMPORT_FAILED),
}


@pytest.mark.parametrize("name", WORK)
def test_work_at_the_top_costs_only_itself(name: str, check: Check) -> None:
    code, kind = WORK[name]
    outcome = check(code + LINEAR + "\nclass Bad(folder_of_data): ...\nmain()\n")
    assert names(outcome) == ["Net"]
    (problem,) = outcome.problems
    assert (problem.kind, problem.blocking) == (kind, False)
    assert problem.line in (1, 2)
    assert "The rest of the file was imported, without `Bad`" in problem.message
    assert "1 later statement skipped" in problem.message
    assert problem.hint


def test_command_line_arguments_have_their_defaults(check: Check) -> None:
    code = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("--out", required=True)
parser.add_argument("--width", type=int, default=4)
group = parser.add_mutually_exclusive_group(required=True)
group.add_argument("--train", action="store_true")
args = parser.parse_args()
assert (args.data, args.width, args.train) == (None, 4, False)
assert parser.parse_args(["x", "--out", "y", "--train"]).train
"""
    outcome = check(code + LINEAR)
    assert names(outcome) == ["Net"]
    (note,) = outcome.problems
    assert (note.kind, note.line, note.blocking) == (ProblemKind.SKIPPED_CODE, 9, False)
    assert "`data` and `out`" in note.message


def test_a_local_module_that_works_at_its_import(check: Check, write: Write) -> None:
    write(
        "import sys\nwidth = 3\nsize = int(sys.argv[1])\ndef depth():\n    return 2\n", "option.py"
    )
    outcome = check("import torch\nfrom option import width, depth\nassert depth() == 2\n" + LINEAR)
    assert names(outcome) == ["Net"]
    (note,) = outcome.problems
    assert (note.kind, note.line) == (ProblemKind.IMPORT_FAILED, 2)
    assert "importing option (option.py:3) failed: IndexError" in note.message


def test_a_name_that_no_local_module_has_may_be_mentioned(check: Check, write: Write) -> None:
    write("def here():\n    return 3\n", "local.py")
    code = "from local import here, gone\nassert here() == 3\nother = gone.more\n"
    outcome = check(code + LINEAR)
    assert (names(outcome), kinds(outcome)) == (["Net"], [ProblemKind.IMPORT_FAILED])
    used = check(code + LINEAR.replace("self.layer(x)", "self.layer(gone(x))"))
    assert any("local could not be imported" in r.reason for r in used.graphs[0].trace.refusals)


def test_an_import_that_the_file_itself_guards_fails_as_it_should(
    check: Check, write: Write
) -> None:
    write("raise RuntimeError('no compiler')\n", "fast.py")
    guarded = "try:\n    import fast\nexcept Exception:\n    fast = None\nassert fast is None\n"
    outcome = check(guarded + LINEAR)
    assert (names(outcome), kinds(outcome)) == (["Net"], [])


def test_a_training_loop_is_stopped_in_the_file_and_in_its_modules(
    pool: Pool, write: Write
) -> None:
    loop = "while True:\n    step = 1\n"
    write(LINEAR.replace("Net", "Local") + loop, "local.py")
    path = write("from local import Local\n" + LINEAR + "net = Net()\n" + loop, "net.py")
    (outcome,) = pool.trace([TraceRequest(path, patience=0.3)])
    assert names(outcome) == ["net"]
    local, note = outcome.problems
    assert (local.kind, local.line) == (ProblemKind.SKIPPED_CODE, 1)
    assert "local.py:12" in local.message
    assert (note.kind, note.line, note.blocking) == (ProblemKind.SKIPPED_CODE, 14, False)
    assert "stopped" in note.message
    assert 'exclude = ["net.py"]' in note.hint


def test_data_files_are_found_beside_the_file_and_above(check: Check, write: Write) -> None:
    path = write("width: 3\n", "project/configs/net.yaml")
    code = "text = open('configs/net.yaml').read()\nassert text == 'width: 3\\n'\n"
    code += "open('made.txt', 'w').write('x')\n"
    outcome = check(code + LINEAR, name="project/models/net.py")
    assert (names(outcome), kinds(outcome)) == (["Net"], [])
    assert path in outcome.consulted.files


def test_calls_about_a_device_do_nothing(check: Check) -> None:
    code = """
import torch
torch.cuda.set_device(1)
torch.cuda.synchronize()
print(torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory)
torch.set_default_tensor_type("torch.cuda.FloatTensor")
assert torch.cuda.FloatTensor(2).fill_(3.0).sum() == 6
with torch.cuda.device(0):
    assert torch.cuda.current_device() == 0
import torch._dynamo
import warnings
warnings.simplefilter("error")
"""
    outcome = check(code + LINEAR)
    assert (names(outcome), kinds(outcome)) == (["Net"], [])


def test_what_other_versions_of_packages_lack_is_replaced(check: Check) -> None:
    lacks = "        import numpy, networkx\n        self.size = numpy.int(3)\n"
    lacks += "        self.metric = networkx.measures_of_old.Accuracy()\n"
    code = LINEAR.replace("        self.layer", lacks + "        self.layer")
    outcome = check(code)
    assert names(outcome) == ["Net"]


def test_what_is_compiled_is_traced_as_it_was_written(check: Check) -> None:
    code = LINEAR.replace(
        "class Net", "@torch.compile\ndef half(x):\n    return x / 2\n\nclass Net"
    )
    code = (
        code.replace("self.layer(x)", "half(self.layer(x))")
        + "net = torch.compile(Net())\nnet.compile()\n"
    )
    outcome = check("import torch\n" + code)
    assert (names(outcome), kinds(outcome)) == (["net"], [])
    assert [op.kind for op in outcome.graphs[0].ops][-2:] == ["scale", "output"]


SCRIPTED = """
class Part(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    @torch.jit.script_method
    def forward(self, x):
        return self.inner(x)

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()
        self.scripted = torch.jit.script(Net())
        self.traced = torch.jit.trace(nn.Linear(4, 3), torch.ones(1, 4))

    def forward(self, x):
        return self.traced(self.part(self.scripted(x)))

class Loads(nn.Module):
    def __init__(self):
        super().__init__()
        self.loaded = torch.jit.load("gone.pt")
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.loaded(x))
"""


def test_scripted_parts_are_seen_and_loaded_ones_are_opaque(check: Check) -> None:
    outcome = check(LINEAR + SCRIPTED)
    whole, loads = (g for g in outcome.graphs if g.ref.name in ("Whole", "Loads"))
    assert whole.trace.complete
    assert [op.layer for op in whole.ops if "linear" in op.tags] == [
        "scripted.layer",
        "part.inner",
        "traced",
    ]
    assert [part.path for part in loads.trace.opaque] == ["loaded"]
    assert "last" in [op.layer for op in loads.ops]
    assert not outcome.problems


def test_a_name_that_a_package_has_only_when_asked(check: Check, write: Write) -> None:
    write(LINEAR, "lazy/net.py")
    code = """
def __getattr__(name):
    if name == "Net":
        from lazy.net import Net
        return Net
    raise AttributeError(name)
"""
    assert names(check(code, "Net", name="lazy/__init__.py")) == ["Net"]
    assert names(check(code, "Net()", name="lazy/__init__.py")) == ["Net"]
    (problem,) = check(code, "Not", name="lazy/__init__.py").problems
    assert problem.kind is ProblemKind.NO_MODEL


def test_odd_modules_do_no_harm(check: Check) -> None:
    code = """
import sys, types
class Odd(types.ModuleType):
    def __getattr__(self, name):
        raise RuntimeError(name)
sys.modules["odd"] = Odd("odd")
sys.modules["none"] = types.ModuleType("none")
sys.modules["none"].__file__ = None
sys.modules["object"] = object()
"""
    outcome = check(code + LINEAR)
    assert (names(outcome), kinds(outcome)) == (["Net"], [])


def test_a_package_built_for_another_torch(pool: Pool, write: Write) -> None:
    code = """
import torch
if not hasattr(torch.ops.bnlint_vision, "nms"):
    raise RuntimeError("operator bnlint_vision::nms does not exist")
WIDTH = 4
"""
    root = write(code, "site-packages/bnlint_vision/__init__.py").partition("bnlint_vision")[0]
    broken = write("raise RuntimeError('other CUDA')\n", "site-packages/bnlint_audio/__init__.py")
    assert broken
    text = "import bnlint_vision\nimport bnlint_audio\nassert bnlint_vision.WIDTH == 4\n"
    path = write(text + LINEAR, "net.py")
    (outcome,) = pool.trace([TraceRequest(path, search=(root.rstrip("/"),))])
    assert names(outcome) == ["Net"]
    vision, audio = outcome.problems
    assert {vision.kind, audio.kind} == {ProblemKind.STUBBED_IMPORT}
    assert (vision.line, audio.line) == (1, 2)
    assert "bnlint_vision cannot be loaded" in vision.message
    assert "torch" in vision.hint
    assert "other CUDA" in audio.message


def test_folders_that_a_file_puts_on_the_path(check: Check, write: Write) -> None:
    write("WIDTH = 3\n", "project/lib/bnlint_sizes.py")
    write("DEPTH = 3\n", "project/src/bnlint_depths/__init__.py")
    code = "import sys\nsys.path.append('../lib')\nfrom bnlint_sizes import WIDTH\n"
    code += "from bnlint_depths import DEPTH\n"
    outcome = check(code + LINEAR, name="project/tools/net.py")
    assert (names(outcome), kinds(outcome)) == (["Net"], [])


def test_a_local_package_comes_before_an_installed_one_of_its_name(
    check: Check, write: Write
) -> None:
    write("", "project/yaml/__init__.py")
    write("WIDTH = 3\n", "project/yaml/sizes.py")
    code = "import yaml\nfrom yaml.sizes import WIDTH\n"
    outcome = check(code + LINEAR, name="project/models/net.py")
    assert (names(outcome), kinds(outcome)) == (["Net"], [])


def test_places_have_no_detours(pool: Pool, write: Write) -> None:
    write(LINEAR, "common/blocks.py")
    code = "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), '..'))\n"
    path = write(code + "from common.blocks import Net\n", "exp/run.py")
    (outcome,) = pool.trace([TraceRequest(path, models=(ModelSpec("Net()"),))])
    (graph,) = outcome.graphs
    places = {op.construction.path for op in graph.ops if op.construction}
    assert {p.rpartition("/common/")[0] for p in places} == {path.rpartition("/exp/")[0]}
