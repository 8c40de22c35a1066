from __future__ import annotations

from tests.recipes.conftest import Copy
from tests.unit.engine.rule_texts import HEAD

ACTION = '''"""``set-first``: the first argument of the call that builds a layer, set to a value."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.edits import Action, Change, Job, Plan
from bnlint.edits.construction import FoundCall


def set_first(job: Job) -> Iterator[Plan]:
    """The first argument replaced."""
    call, to = FoundCall(job, job.layers["of"]), str(job.arguments["to"])
    splice = call.syntax.replace(call.node.args[0].value, to)
    yield call.plan((splice,), f"build it with {to}", ("channels",))


ACTIONS = (Action("set-first", set_first, arguments=("to",)),)
'''
RULE = f"""{HEAD}match: [{{conv: {{is: kernel}}}}, {{bn: {{is: batchnorm}}}}]
where: [[$bn.channels, eq, 9]]
report: {{at: bn, message: "{{bn.path}} has other channels than {{conv.path}}"}}
fix: {{set-first: {{of: bn, to: 8}}, safety: unsafe}}
docs: {{why: because}}
examples: {{bad: [x], good: [y]}}
"""


def test_a_fix_is_one_file(copy: Copy) -> None:
    copy.write("edits/first_argument.py", ACTION)
    (copy.folder / "XX101-a-name.yaml").write_text(RULE)
    net = (copy.folder / "net.py").read_text()
    (copy.folder / "net.py").write_text(net.replace("BatchNorm2d(8)", "BatchNorm2d(9)"))
    found = ("net.py", "--rules", "XX101-a-name.yaml", "--select", "XX101", "--unsafe-fixes")
    diff = copy.run(*found, "--diff").stdout
    assert "-    nn.BatchNorm2d(9),\n+    nn.BatchNorm2d(8),\n" in diff
    (copy.folder / "XX101-a-name.yaml").write_text(RULE.replace("set-first", "set-frist"))
    assert "did you mean 'set-first'?" in copy.run(*found).stderr
