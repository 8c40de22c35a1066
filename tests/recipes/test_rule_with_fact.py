"""The recipe "a rule with a new fact": one function in a file of facts, one rule file, no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[2]
FACT = '''

@op_fact("readers-of-readers")
def readers_of_readers(view: View, op: Op) -> Answer:
    """How many ops read what the readers make of the result."""
    return len({after.id for reader in view.successors(op) for after in view.successors(reader)})
'''
RULE = """\
id: {id}
name: wide-reading
severity: warning
summary: two layers read what one linear layer makes
match:
  - first: {{is: linear}}
where: [$first.{fact}, ge, 2]
report: {{at: first, message: "{{first.path}} is read by {{first.{fact}}} layers in the end"}}
evidence: gradient-ratio
docs: {{why: it is an example}}
examples:
  prelude: |
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(8, 8){mark}
            self.two, self.three = nn.Linear(8, 8), nn.Linear(8, 8)
  bad:
    two layers read the activation: |
      class Net(Parts):
          def forward(self, x):
              x = self.one(x).relu()
              return self.two(x) * self.three(x)
  good:
    one layer reads it: |
      net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
"""
NET = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.two, self.three = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = self.one(x).relu()
        return self.two(x) * self.three(x)
"""


def rule_text(id: str, fact: str) -> str:
    return RULE.format(id=id, fact=fact, mark=f"  # expect: {id}")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the source in which the recipe is followed, and a model that the rule is about."""
    root = tmp_path_factory.mktemp("recipe")
    shutil.copytree(ROOT / "bnlint", root / "bnlint", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "rules", root / "rules")
    with (root / "bnlint" / "graph" / "facts" / "surroundings.py").open(
        "a", encoding="utf-8"
    ) as file:
        file.write(FACT)
    rule = rule_text("BN199", "readers-of-readers")
    (root / "rules" / "BN199-wide-reading.yaml").write_text(rule, encoding="utf-8")
    (root / "net.py").write_text(NET, encoding="utf-8")
    return root


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bnlint", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_rule_is_tested_by_its_examples(copy):
    result = run(copy, "test-rules", "rules/BN199-wide-reading.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "BN199 wide-reading: 2 examples passed" in result.stdout


def test_the_rule_is_explained_with_a_whole_example(copy):
    page = run(copy, "explain", "wide-reading").stdout
    assert "# wide-reading (BN199)" in page
    code = page.partition("```python\n")[2].partition("```")[0]
    assert code.startswith("import torch.nn as nn\n\nclass Parts(nn.Module):")
    assert "class Net(Parts):" in code
    compile(code, "example", "exec")


def test_the_schema_knows_the_fact(copy):
    schema = json.loads(run(copy, "rules", "--schema").stdout)
    fact = {**schema["$defs"]["fact"], "$schema": schema["$schema"]}
    jsonschema.validate("$first.readers-of-readers", fact)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("$first.readers-of-writers", fact)


def test_a_run_reports_it_with_the_help_of_nothing_else(copy):
    result = run(copy, "--no-cache", "--select", "BN199", "net.py")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "`one` (Linear) is read by 2 layers in the end" in result.stdout


def test_the_list_of_rules_has_it(copy):
    assert "BN199  wide-reading" in run(copy, "rules").stdout


def test_a_rule_of_a_user_needs_one_file(tmp_path):
    text = rule_text("ACME199", "users").replace("self.one(x).relu()", "self.one(x)")
    (tmp_path / "ACME199-wide-reading.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "net.py").write_text(NET.replace(".relu()", ""), encoding="utf-8")
    rules = ("--rules", "ACME199-wide-reading.yaml")
    tested = run(tmp_path, "test-rules", "ACME199-wide-reading.yaml")
    assert "ACME199 wide-reading: 2 examples passed" in tested.stdout, tested.stdout
    assert "# wide-reading (ACME199)" in run(tmp_path, "explain", "ACME199", *rules).stdout
    found = run(tmp_path, "--no-cache", *rules, "--select", "ACME199", "net.py").stdout
    assert "`one` (Linear) is read by 2 layers in the end" in found
