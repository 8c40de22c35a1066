from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest

from bnlint.report import format_names, render
from bnlint.report.formats.text import notes
from tests.golden.report import golden_options, golden_report

EXPECTED = Path(__file__).parent / "expected"
SCHEMA = Path(__file__).parent.parent / "data" / "sarif-2.1.0-rtm.5.json"
NAMES: dict[str, tuple[str, dict[str, object]]] = {
    "text": ("text.txt", {}),
    "text-terminal": ("text-terminal.txt", {"excerpts": True, "colour": True}),
    "text-notes": ("text-notes.txt", {"verbose": True}),
    "concise": ("concise.txt", {}),
    "json": ("report.json", {}),
    "sarif": ("report.sarif", {"root": "/src/my project"}),
    "github": ("github.txt", {}),
    "gitlab": ("gitlab.json", {}),
    "junit": ("junit.xml", {}),
    "html": ("report.html", {}),
}
# What the page looks like and does is no matter of the report.
LOOKS = re.compile(r"(?<=<style>).*?(?=</style>)|(?<=<script>).*?(?=</script>)", re.DOTALL)
HASHES = re.compile(r"sha256-[\w+/=]+")


def _rendered(case: str) -> str:
    options = golden_options(**NAMES[case][1])
    if case == "text-notes":
        return notes(golden_report(), options)
    text = render(case.partition("-")[0], golden_report(), options)
    return HASHES.sub("sha256-", LOOKS.sub("", text)) if case == "html" else text


@pytest.mark.parametrize("case", NAMES)
def test_every_format_renders_the_golden_report_as_before(
    case: str, request: pytest.FixtureRequest
) -> None:
    path = EXPECTED / NAMES[case][0]
    text = _rendered(case)
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_format_has_a_golden_file() -> None:
    assert set(format_names()) == {case.partition("-")[0] for case in NAMES}


def test_sarif_fits_the_official_schema() -> None:
    log = json.loads(_rendered("sarif"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(log)
    # The schema must be able to say no, or the line above proves nothing.
    log["runs"][0]["results"][0]["level"] = "warnings"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate(log)


def test_sarif_columns_and_fixes_point_into_the_file() -> None:
    result = json.loads(_rendered("sarif"))["runs"][0]["results"][0]
    place = result["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 5, "startColumn": 31, "endLine": 5, "endColumn": 49}
    replacement = result["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement["deletedRegion"]["startColumn"] == replacement["deletedRegion"]["endColumn"]
    assert replacement["insertedContent"]["text"] == ", bias=False"


def test_junit_counts_what_it_holds() -> None:
    suite = ET.fromstring(_rendered("junit"))[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "2", "1")
    # Models without findings are test cases that pass.
    passed = [case.get("name") for case in suite if len(case) == 0]
    assert passed == ["build(width=2)", "Clean"]


def test_github_annotations_stay_on_one_line_and_escape_their_properties() -> None:
    lines = _rendered("github").splitlines()
    assert len(lines) == 5
    assert all(re.match(r"::(error|warning|notice) file=[^:]+::", line) for line in lines)
    assert "file=odd%2C name%3A1.py" in lines[2]
    assert "100%25 of calls fail" in lines[1]


def test_gitlab_fingerprints_are_there_and_different() -> None:
    issues = json.loads(_rendered("gitlab"))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 3


@pytest.mark.parametrize("name", ["json", "sarif", "gitlab"])
def test_json_of_any_kind_is_safe_in_every_encoding(name: str) -> None:
    assert _rendered(name).isascii()


def test_names_from_users_files_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in _rendered("text")
    assert "\\x1b[31m" in _rendered("text")
