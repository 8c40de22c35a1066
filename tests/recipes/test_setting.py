from __future__ import annotations

from tests.recipes.conftest import Copy
from tests.unit.engine.rule_texts import HEAD

FIELD = """\
    most_kernels: int = _rules(
        40, "count", "how many kernels a model has at most", metavar="N", for_rules=True
    )
"""
RULE = f"""{HEAD}match: [{{bn: {{is: batchnorm}}}}]
where: [[$settings.most-kernels, lt, 1]]
report: {{at: bn, message: "{{bn.path}} is one too many"}}
docs: {{why: because}}
examples:
  bad:
    - settings: {{most-kernels: 0}}
      code: |
        from torch import nn

        net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))  # expect: XX101
  good:
    - code: |
        from torch import nn

        net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))
"""
API = """
import bnlint, net
options = {"rules": ["XX101-a-name.yaml"], "select": ["XX101"]}
for value in (1, 0):
    print(len(bnlint.check_model(net.net, most_kernels=value, **options).findings))
"""


def test_a_setting_that_rules_read_is_one_field(copy: Copy) -> None:
    copy.insert("config/settings.py", "    per_file:", FIELD)
    (copy.folder / "XX101-a-name.yaml").write_text(RULE)
    assert "most-kernels = 40  # default" in copy.run("--show-settings").stdout
    assert "--most-kernels N" in copy.run("--help").stdout
    assert "--most-kernels N" in copy.run("baseline", "write", "--help").stdout
    found = ("net.py", "--rules", "XX101-a-name.yaml", "--select", "XX101")
    for value, code in (("1", 0), ("0", 1), ("1", 0)):  # what one finds is not cached for another
        assert copy.run(*found, "--most-kernels", value).returncode == code
    (copy.folder / "bnlint.toml").write_text("most-kernels = 0\n")
    assert copy.run(*found).returncode == 1
    assert copy.run("test-rules", "XX101-a-name.yaml").returncode == 0
    assert copy.run(code=API).stdout == "0\n1\n"


def test_rules_may_only_name_settings_that_exist(copy: Copy) -> None:
    copy.insert("config/settings.py", "    per_file:", FIELD)
    (copy.folder / "XX101-a-name.yaml").write_text(
        RULE.replace("$settings.most-", "$settings.mots-")
    )
    done = copy.run("net.py", "--rules", "XX101-a-name.yaml")
    assert done.returncode == 2
    assert "did you mean 'most-kernels'?" in done.stderr
