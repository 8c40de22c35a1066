from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bnlint import pipeline
from bnlint.cli import main
from bnlint.config import Settings
from bnlint.domain import VERSION
from bnlint.domain.finding import Finding, Problem, ProblemKind, Report, Severity
from bnlint.domain.graph import Location

ROOT = Path(__file__).parents[3]
Runs = Callable[[Report], list[Settings]]


def _report(*severities: Severity, **changes: object) -> Report:
    findings = tuple(
        Finding("BN301", "redundant-bias", s, "too much", Location("net.py", 3, 9), "Net", "conv")
        for s in severities
    )
    return replace(Report(findings=findings), **changes)  # type: ignore[arg-type]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    """Makes every run end in a given report; the list fills with the settings of the runs."""
    monkeypatch.chdir(tmp_path)

    def prepare(report: Report) -> list[Settings]:
        seen: list[Settings] = []

        def check(settings: Settings, **_: object) -> Report:
            seen.append(settings)
            return report

        monkeypatch.setattr(pipeline, "check", check)
        return seen

    return prepare


@pytest.mark.parametrize(
    ("severities", "arguments", "code"),
    [
        ([], [], 0),
        ([Severity.INFO], [], 0),
        ([Severity.WARNING], [], 1),
        ([Severity.INFO, Severity.ERROR], [], 1),
        ([Severity.WARNING], ["--fail-on", "error"], 0),
        ([Severity.ERROR], ["--fail-on=error"], 1),
        ([Severity.INFO], ["--fail-on", "info"], 1),
        ([Severity.ERROR], ["--exit-zero"], 0),
    ],
)
def test_the_exit_code_follows_the_findings(
    runs: Runs, severities: list[Severity], arguments: list[str], code: int
) -> None:
    runs(_report(*severities))
    assert main(["net.py", *arguments]) == code


def test_a_file_named_by_hand_that_could_not_be_checked_is_2_and_others_are_not(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem(ProblemKind.IMPORT_FAILED, "bad.py", "no", blocking=True)
    runs(_report(Severity.WARNING, problems=(problem,), by_hand=("bad.py",)))
    assert main(["bad.py", "--exit-zero"]) == 2
    runs(_report(problems=(problem,)))
    assert main(["folder"]) == 0
    runs(_report(problems=(replace(problem, blocking=False),), by_hand=("bad.py",)))
    assert main(["bad.py"]) == 0


def test_findings_go_to_standard_output_and_all_else_to_standard_error(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem(ProblemKind.IMPORT_FAILED, "bad.py", "no module", "install it", blocking=True)
    runs(_report(Severity.WARNING, problems=(problem,)))
    main(["net.py"])
    shown = capsys.readouterr()
    assert shown.out == "net.py:3:9: BN301 warning: too much [Net]\n"
    assert shown.err.splitlines() == [
        "bad.py: not checked (import-failed): no module",
        "    hint: install it",
        "0 models checked, 1 not checked, 1 finding (1 warning)",
    ]
    main(["net.py", "-q"])
    shown = capsys.readouterr()
    assert shown.out == "net.py:3:9: BN301 warning: too much [Net]\n"
    assert "models checked" not in shown.err


def test_several_formats_go_to_their_files(
    runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs(_report(Severity.WARNING))
    main(["net.py", "--format", "json", "--format", "sarif=out/a.sarif", "--format=text=t.txt"])
    shown = capsys.readouterr()
    assert json.loads(shown.out)["findings"][0]["rule"] == "BN301"
    assert shown.err == ""
    log = json.loads((tmp_path / "out/a.sarif").read_text(encoding="utf-8"))
    rules = {rule["id"] for rule in log["runs"][0]["tool"]["driver"]["rules"]}
    assert {"BN301", "BN900"} <= rules
    assert (tmp_path / "t.txt").read_text().startswith("net.py:3:9: BN301")


def test_a_report_that_cannot_be_written_is_2(
    runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs(_report())
    (tmp_path / "file").write_text("")
    assert main(["net.py", "--format", "json=file/a.json"]) == 2
    assert "--format json=file/a.json: " in capsys.readouterr().err


@pytest.mark.parametrize("first", [["check"], []])
def test_check_is_the_default_command(runs: Runs, first: list[str]) -> None:
    seen = runs(_report())
    assert main([*first, "a.py", "-j", "3", "b.py::Net(1)", "--select", "BN1,BN2"]) == 0
    (settings,) = seen
    assert settings.paths == ("a.py", "b.py::Net(1)")
    assert (settings.jobs, settings.select) == (3, ("BN1", "BN2"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to check"),
        (["net.py", "--selct", "BN1"], "did you mean '--select'?"),
        (["net.py", "--jobs", "x", "--timeout", "-3"], "--timeout: expected a number of seconds"),
        (["net.py", "--format", "yaml"], "no format is called 'yaml'"),
        (["net.py", "--select"], "expected one argument"),
        (["baseline", "wirte", "x"], "did you mean 'write'?"),
        (["baseline"], "write or prune"),
        (["explain", "BN999"], "no rule is called 'BN999'"),
        (["explain", "redundant-bais"], "redundant-bias"),
        (["explain"], "required: rule"),
        (["net.py", "--config", "no.toml"], "there is no file no.toml"),
    ],
)
def test_wrong_usage_is_2_with_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.startswith("bnlint: error: ")


def test_our_own_bugs_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(settings: Settings, **_: object) -> Report:
        raise RuntimeError("oops")

    monkeypatch.setattr(pipeline, "check", broken)
    assert main(["net.py"]) == 2
    shown = capsys.readouterr().err
    assert "internal error in bnlint, not in your code: RuntimeError: oops" in shown
    assert "Traceback" not in shown
    monkeypatch.setenv("BNLINT_TRACEBACK", "1")
    assert main(["net.py"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(settings: Settings, **_: object) -> Report:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "check", interrupted)
    assert main(["net.py"]) == 130
    assert capsys.readouterr().err == "bnlint: interrupted\n"


def test_show_settings_checks_nothing(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    seen = runs(_report())
    assert main(["net.py", "--show-settings", "--select", "BN1"]) == 0
    assert seen == []
    assert 'select = ["BN1"]  # arguments' in capsys.readouterr().out


def test_colour_follows_the_environment(
    runs: Runs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(_report(Severity.WARNING))

    def coloured(*arguments: str, **environment: str) -> bool:
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        main(["net.py", *arguments])
        return "\x1b[" in capsys.readouterr().out

    assert not coloured()
    assert coloured(FORCE_COLOR="1")
    assert not coloured(FORCE_COLOR="1", NO_COLOR="1")
    assert coloured("--color", "always", NO_COLOR="1")
    assert not coloured("--color=never", FORCE_COLOR="1")
    assert not coloured("--format", "json", FORCE_COLOR="1")


def _run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-c", code) if code else ("-m", "bnlint"))]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_help_and_versions_need_no_heavy_import() -> None:
    code = (
        "import sys\nfrom bnlint.cli import main\n"
        "try: code = main(sys.argv[1:])\nexcept SystemExit as e: code = e.code\n"
        "heavy = ('torch', 'networkx', 'yaml', 'rich', 'numpy', 'importlib.metadata')\n"
        "print(code, [m for m in heavy if m in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["--version"], ["net.py", "--show-settings"]):
        assert _run(*arguments, code=code).stderr == "0 []\n"
    assert _run("explain", "BN301", code=code).stderr in ("0 []\n", "0 ['yaml']\n")


def test_help_is_grouped_and_says_that_files_are_run() -> None:
    text = _run("--help").stdout
    assert "Linting imports each file, which runs its code" in text
    for heading in ("Rules:", "Models and inputs:", "Output:", "Config:", "exit codes:"):
        assert heading in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_version_names_torch_and_python() -> None:
    assert _run("--version").stdout.startswith(f"bnlint {VERSION} (torch 2.")


def test_a_closed_pipe_leaves_no_traceback() -> None:
    command = f"{sys.executable} -m bnlint --show-settings net.py | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.startswith("# root")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("format", "variable", "place"),
    [
        ("github", "GITHUB_WORKSPACE", "file=sub/net.py,"),
        ("sarif", "GITHUB_WORKSPACE", '"uri": "sub/net.py"'),
        ("gitlab", "CI_PROJECT_DIR", '"path": "sub/net.py"'),
        ("json", "GITHUB_WORKSPACE", '"file": "net.py"'),
        ("gitlab", "GITHUB_WORKSPACE", '"path": "net.py"'),
    ],
)
def test_services_read_paths_from_the_top_of_the_repository(
    runs: Runs,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    format: str,
    variable: str,
    place: str,
) -> None:
    runs(_report(Severity.WARNING))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    main(["net.py", "--format", format])
    assert place in capsys.readouterr().out
