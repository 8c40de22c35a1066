from __future__ import annotations

from tests.recipes.conftest import Copy

FORMAT = '''"""Comma-separated values."""

from __future__ import annotations

from bnlint.domain.finding import Report
from bnlint.report import Format, RenderOptions


def render(report: Report, options: RenderOptions) -> str:
    """A line per finding."""
    rows = ((f.rule, options.rules[f.rule].name, f.location.line) for f in report.findings)
    return "".join(",".join(map(str, row)) + "\\n" for row in rows)


FORMAT = Format(render, complete=True, rules=True)
'''
API = "import bnlint; print(repr(bnlint.check_model(__import__('net').net).render('csv')))"


def test_a_format_is_one_file(copy: Copy) -> None:
    copy.write("report/formats/csv.py", FORMAT)
    assert "junit, html or csv; with" in " ".join(copy.run("--help").stdout.split())
    done = copy.run("net.py", "--format", "csv", "--no-cache")
    assert (done.stdout, done.stderr, done.returncode) == ("BN301,redundant-bias,4\n", "", 1)
    done = copy.run("net.py", "--format", "csc")
    assert "no format is called 'csc'" in done.stderr
    assert "did you mean 'csv'?" in done.stderr
    assert copy.run(code=API).stdout == "'BN301,redundant-bias,1\\n'\n"
