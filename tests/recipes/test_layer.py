"""To add a layer of a new kind: one row of ``layers.yaml``, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bnlint

ROW = """
asinh: {is: saturating, modules: mylib.Asinh, functions: asinh, acts: pointwise, within: theory,
  inactive: {low: -9.9499, high: 9.9499, saturating: true}}
"""

MYLIB = """
import torch
from torch import nn

class Asinh(nn.Module):
    def forward(self, x):
        return torch.asinh(x)
"""

CHECKS = {
    "lint knows the module and the function, with their families": """
graph = bnlint.trace(net, (x,))
module, function = [op for op in graph.ops if op.kind == "asinh"]
assert module.tags == function.tags == {"asinh", "saturating", "activation"}
assert module.facts["saturating"] is True
""",
    "rules see the family": """
found = {f.rule for f in bnlint.check_model(net, (x,)).findings}
assert "BN101" in found, found  # a norm after an activation
""",
    "rules and settings may name the kind": """
from bnlint.layers.table import kinds, tags
assert "asinh" in kinds() and "asinh" in tags()
from bnlint.config import load_settings
from bnlint.pipeline.rulebook import check_layers
check_layers(load_settings({"paths": [], "layers": {"other.Asinh": "asinh"}}))
""",
    "its shape needs no run": """
from bnlint.layers.shapes import quick
assert quick(torch.asinh, (x.to("meta"),), {}).shape == x.shape
""",
    "the mean-field theory follows it": """
from bnlint.layers.table import having
assert "asinh" in having("within", "theory")
""",
    "the probe measures it": """
result = bnlint.probe(net, torch.randn(16, 3, 8, 8) * 1e4)
measured = [a for a in result.activations if a.kind == "asinh"]
assert len(measured) == 2 and measured[0].saturated > 0.5, measured
""",
}

BEGIN = """
import torch, bnlint, mylib
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.norm = nn.Conv2d(3, 8, 3), mylib.Asinh(), nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        return torch.asinh(self.head(self.norm(self.act(self.conv(x)))))

net, x = Net(), torch.zeros(2, 3, 8, 8)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of bnlint with one more row."""
    root = tmp_path_factory.mktemp("copy")
    source = Path(bnlint.__file__).parent
    shutil.copytree(source, root / "bnlint", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source.parent / "rules", root / "rules")
    with (root / "bnlint/layers/layers.yaml").open("a", encoding="utf-8") as rows:
        rows.write(ROW)
    (root / "mylib.py").write_text(MYLIB)
    return root


def run(package: Path, code: str) -> subprocess.CompletedProcess[str]:
    script = package / "check.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script)], cwd=package, capture_output=True, text=True, check=False
    )


def test_one_row_is_enough(package: Path) -> None:
    found = run(package, BEGIN + "".join(CHECKS.values()))
    assert found.returncode == 0, found.stderr


def test_without_the_row_it_is_unknown() -> None:
    from bnlint.layers.table import kinds

    assert "asinh" not in kinds()
