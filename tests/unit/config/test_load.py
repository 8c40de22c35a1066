from __future__ import annotations

from pathlib import Path

import pytest

from bnlint.config import InputsFor, ModelsFor, Output, PerFile, load_settings
from bnlint.config.settings import CONFIG_KEYS, OPTIONS, Settings
from bnlint.domain.errors import ConfigError, UsageError
from bnlint.domain.request import InputSpec, ModelSpec

FULL = """\
[project]
name = "demo"

[tool.bnlint]
select = ["BN1", "redundant-bias"]
ignore = "BN104"
rules = ["ci/bn/*.yaml"]
fail-on = "error"
norm-placement = "any"
exclude = ["old/", "*_test.py"]
timeout = 5
max-memory = "2GiB"
jobs = 3
baseline = "known.json"
cache = false
unsafe-fixes = true

[tool.bnlint.severity]
BN101 = "off"

[tool.bnlint.models]
"src/net.py" = ["Net(3, 10)", {call = "build(width=2)", inputs = ["1x3x32x32"]}]
"src/one.py" = "One"

[tool.bnlint.inputs]
"src/*.py" = "1x3x224x224"
"src/bert.py::Bert" = ["8x128:int64", "mask=8x128:bool"]

[tool.bnlint.layers]
"mylib.MyNorm2d" = "batchnorm2d"

[tool.bnlint.per-file]
"tests/*.py" = {ignore = ["BN301"], severity = {BN102 = "info"}}
"""


def _project(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def _mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load_settings({"paths": ["net.py"]}, _project(folder, text))
    return [
        f"{m.location.line}:{m.location.column} {m.message}" + (f" ({m.hint})" if m.hint else "")
        for m in error.value.mistakes
        if m.location
    ]


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = load_settings({"paths": ["net.py"]}, _project(tmp_path, FULL))
    assert settings.select == ("BN1", "redundant-bias")
    assert settings.ignore == ("BN104",)
    assert settings.rules == (str(tmp_path / "ci/bn/*.yaml"),)
    assert (settings.fail_on, settings.norm_placement) == ("error", "any")
    assert settings.exclude == ("old/", "*_test.py")
    assert (settings.timeout, settings.max_memory, settings.jobs) == (5.0, 2 << 30, 3)
    assert settings.baseline == str(tmp_path / "known.json")
    assert (settings.cache, settings.unsafe_fixes) == (False, True)
    assert settings.severity == {"BN101": "off"}
    built = ModelSpec("build(width=2)", (InputSpec((1, 3, 32, 32)),))
    assert settings.models == (
        ModelsFor("src/net.py", (ModelSpec("Net(3, 10)"), built)),
        ModelsFor("src/one.py", (ModelSpec("One"),)),
    )
    assert settings.inputs_for == (
        InputsFor("src/*.py", (InputSpec((1, 3, 224, 224)),)),
        InputsFor(
            "src/bert.py",
            (InputSpec((8, 128), "", "int64"), InputSpec((8, 128), "mask", "bool")),
            "Bert",
        ),
    )
    assert settings.layers == (("mylib.MyNorm2d", "batchnorm2d"),)
    assert settings.per_file == (PerFile("tests/*.py", ("BN301",), {"BN102": "info"}),)


def test_all_mistakes_come_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
[tool.bnlint]
slect = ["BN1"]
fail-on = "eror"
ignore = [
  "BN301", # a comment with = and [
  3,
]
max-memory = "4 GiBs"
quiet = true
jobs = -1
timeout = inf

[tool.bnlint.severity]
BN101 = "of"

[tool.bnlint.models]
"a.py" = [{call = "build(", inputs = ["1x3q"], foo = 1}, 3]

[tool.bnlint.layers]
"not dotted" = "batchnorm2d"

[tool.bnlint.per-file."b.py"]
severity = {BN102 = "ifo"}
"""
    assert _mistakes(tmp_path, text) == [
        "2:1 unknown setting 'slect' (did you mean 'select'?)",
        "3:11 'eror' is not one of error, warning, info (did you mean 'error'?)",
        "4:1 expected strings, got a number: 3",
        "8:14 '4 GiBs' is not a size (write it like 4GiB, 512MB or 0 for no limit)",
        "9:1 unknown setting 'quiet' ('quiet' can only be given on the command line)",
        "10:1 expected a whole number, 0 or more, got '-1'",
        "11:1 expected a number of seconds, 0 or more, got 'inf'",
        "14:9 severity of BN101: 'of' is not one of error, warning, info, off "
        "(did you mean 'off'?)",
        """17:1 3 is not a model (write it like "Net(3, 10)" or {call = "Net()"})""",
        "17:19 'build(' is not a call (write it like Net(3, 10))",
        "17:48 unknown key 'foo' (known: call, inputs)",
        "20:1 'not dotted' is not the dotted name of a type or function",
        "23:21 severity of BN102: 'ifo' is not one of error, warning, info, off "
        "(did you mean 'info'?)",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[tool.bnlint]\nselect = [1", "2:12"),
        ("[tool.bnlint]\nselect = \nx = 1", "2:10"),
        ("[tool.bnlint\n", "1:13"),
        ("[tool.bnlint]\nselect = []\nselect = []\n", "3:12"),
    ],
)
def test_broken_toml_is_shown_where_it_breaks(tmp_path: Path, text: str, place: str) -> None:
    (mistake,) = _mistakes(tmp_path, text)
    assert mistake.startswith(f"{place} not valid TOML: ")


def test_a_file_that_is_no_text_or_no_table_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "bnlint.toml").write_bytes(b"select = ['\xff']")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings({"paths": ["x.py"]}, tmp_path)
    (tmp_path / "bnlint.toml").unlink()
    _project(tmp_path, "[tool]\nbnlint = 3\n")
    with pytest.raises(ConfigError, match="is not a table"):
        load_settings({"paths": ["x.py"]}, tmp_path)


def test_the_nearest_file_counts_and_bnlint_toml_comes_first(tmp_path: Path) -> None:
    inner = tmp_path / "pkg" / "sub"
    inner.mkdir(parents=True)
    _project(tmp_path, "[tool.bnlint]\njobs = 1\n")
    # A project's own file that says nothing of bnlint is passed over.
    _project(tmp_path / "pkg", "[project]\nname = 'x'\n")
    settings = load_settings({"paths": ["pkg/sub/net.py::Net(1)"]}, tmp_path)
    assert (settings.jobs, settings.root) == (1, str(tmp_path))
    _project(inner, "jobs = 2\n", "bnlint.toml")
    _project(inner, "[tool.bnlint]\njobs = 3\n")
    assert load_settings({"paths": ["pkg/sub/net.py"]}, tmp_path).jobs == 2
    assert load_settings({"paths": ["pkg/sub/*.py"]}, tmp_path).jobs == 2
    assert load_settings({"paths": ["other.py"]}, tmp_path).jobs == 1
    stdin = {"paths": ["-"], "stdin_filename": "pkg/sub/a.py"}
    assert load_settings(stdin, tmp_path).jobs == 2


def test_isolated_reads_no_file_and_config_names_one(tmp_path: Path) -> None:
    _project(tmp_path, "[tool.bnlint]\njobs = 1\n")
    _project(tmp_path, "jobs = 7\n", "other.toml")
    assert load_settings({"paths": ["a.py"], "isolated": True}, tmp_path).jobs == 0
    assert load_settings({"paths": ["a.py"], "config": "other.toml"}, tmp_path).jobs == 7
    with pytest.raises(UsageError, match=r"no file nowhere\.toml"):
        load_settings({"paths": ["a.py"], "config": "nowhere.toml"}, tmp_path)
    _project(tmp_path, "[project]\n")
    with pytest.raises(ConfigError, match=r"no \[tool.bnlint\] table"):
        load_settings({"paths": ["a.py"], "config": "pyproject.toml"}, tmp_path)


def test_a_broken_pyproject_that_never_names_bnlint_is_not_our_business(tmp_path: Path) -> None:
    settings = load_settings({"paths": ["a.py"]}, _project(tmp_path, "[project\n"))
    assert settings.config_file == ""


def test_arguments_replace_the_file_and_some_add_to_it(tmp_path: Path) -> None:
    _project(tmp_path, FULL)
    inner = tmp_path / "sub"
    inner.mkdir()
    given = {"paths": ["a.py"], "select": ["BN2,BN3", "BN2"], "ignore": ["BN105"], "jobs": "2"}
    settings = load_settings(given | {"rules": ["mine.yaml"]}, inner)
    assert settings.select == ("BN2", "BN3")
    assert settings.ignore == ("BN104", "BN105")
    assert settings.jobs == 2
    # Paths on the command line start from the working directory, those in the file beside it.
    assert settings.rules == (str(tmp_path / "ci/bn/*.yaml"), str(inner / "mine.yaml"))
    assert settings.origins["select"] == "arguments"
    assert settings.origins["ignore"] == "pyproject.toml:6 + arguments"


def test_all_mistakes_of_the_arguments_come_at_once(tmp_path: Path) -> None:
    given = {
        "jobs": "many",
        "fail_on": "never",
        "inputs": ["1x2", "x=3:foo", "x=3", "4"],
        "formats": ["txt", "json", "text"],
        "nonsense": 1,
    }
    with pytest.raises(UsageError) as error:
        load_settings(given, tmp_path)
    assert [m.message for m in error.value.mistakes] == [
        "--jobs: expected a whole number, 0 or more, got 'many'",
        "--fail-on: 'never' is not one of error, warning, info",
        "--input: no dtype is called 'foo'",
        "--input: '4' has no name but comes after a named input",
        "--format: no format is called 'txt'",
        "--format: two formats for standard output",
        "nonsense: no setting is called nonsense",
    ]


def test_formats_go_to_files_and_one_to_standard_output(tmp_path: Path) -> None:
    settings = load_settings({"formats": ["text", "sarif=out/a.sarif"]}, tmp_path)
    assert settings.formats == (Output("text"), Output("sarif", "out/a.sarif"))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 << 30),
        ("4GB", 4 * 10**9),
        ("2g", 2 << 30),
        ("512 MB", 512 * 10**6),
        ("1.5KiB", 1536),
        ("0", 0),
        ("77b", 77),
    ],
)
def test_sizes(text: str, size: int, tmp_path: Path) -> None:
    assert load_settings({"max_memory": text}, tmp_path).max_memory == size


def test_the_cache_key_follows_what_decides_and_nothing_else(tmp_path: Path) -> None:
    plain = load_settings({}, tmp_path)
    loud = load_settings({"verbose": True, "jobs": "3", "fail_on": "info"}, tmp_path)
    strict = load_settings({"select": ["BN1"]}, tmp_path)
    fed = load_settings({"inputs": ["1x3"]}, tmp_path)
    assert plain.key("findings") == loud.key("findings") != strict.key("findings")
    assert plain.key("graph") == strict.key("graph") != fed.key("graph")


def test_every_option_can_be_given_somewhere_and_has_help() -> None:
    for name, option in OPTIONS.items():
        assert option.flags or option.config, name
        assert option.help, name
    assert set(CONFIG_KEYS.values()) < set(OPTIONS)
    assert CONFIG_KEYS["inputs"] == "inputs_for"
    assert Settings().timeout == 60.0


def test_severities_are_also_given_on_the_command_line(tmp_path: Path) -> None:
    _project(tmp_path, FULL)
    given = {"paths": [], "severity": ["BN101=error,BN3=info", "BN102 = warning"]}
    expected = {"BN101": "error", "BN3": "info", "BN102": "warning"}
    assert load_settings(given, tmp_path).severity == expected
    assert load_settings({"severity": ["BN9=off"]}, tmp_path).severity == {
        "BN101": "off",
        "BN9": "off",
    }
    with pytest.raises(UsageError) as error:
        load_settings({"severity": ["BN101", "BN102=eror"]}, tmp_path)
    first, second = map(str, error.value.mistakes)
    assert "--severity: 'BN101' is not RULE=LEVEL" in first
    assert "did you mean 'error'?" in second


def test_a_dash_is_standard_output(tmp_path: Path) -> None:
    loaded = load_settings({"formats": ["json=-", "text=out.txt"]}, tmp_path)
    assert loaded.formats == (Output("json"), Output("text", "out.txt"))
    with pytest.raises(UsageError, match="two formats for standard output"):
        load_settings({"formats": ["json=-", "text"]}, tmp_path)
