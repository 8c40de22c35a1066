"""The JSON Schema of rule files accepts what the parser accepts, and refuses what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bnlint.domain.errors import RuleError
from bnlint.engine.catalogue import built_in_files
from bnlint.engine.reader import scalar
from bnlint.engine.rule_file import parse_rule, schema
from tests.unit.engine.rule_texts import HEAD, REDUNDANT_BIAS, TAIL

HOUSE = Path(__file__).parents[3] / "examples" / "house" / "rules"
FILES = (*built_in_files(), *HOUSE.glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(json.loads(json.dumps(schema())))
REPORT = "match: [{k: {is: kernel}}]\nreport: {at: k, message: m}\n"


def data(text: str):
    """What an editor reads: YAML 1.2, in which 1e-9 is a number."""

    def plain(node):
        if isinstance(node, yaml.MappingNode):
            return {key.value: plain(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [plain(item) for item in node.value]
        return scalar(node.value, plain=not node.style)

    return plain(yaml.compose(text))


def valid(text: str) -> bool:
    return VALIDATOR.is_valid(data(text))


def parses(text: str) -> bool:
    try:
        parse_rule(text, "<test>")
    except RuleError:
        return False
    return True


def test_it_is_a_schema():
    VALIDATOR.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_rule_file_is_valid(file):
    errors = list(VALIDATOR.iter_errors(data(file.read_text(encoding="utf-8"))))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize(
    "body",
    [
        REDUNDANT_BIAS,
        REPORT + "where: [$k.bias]\n",
        REPORT + "where: [[$k.bias], [not, $k.lazy], [$k.groups, is-known]]\n",
        REPORT + "where: {any: [[$k.bias], [$model.block]]}\n",
        REPORT + "unless: [{because: b, if: [[$k.init-zero], {any: [[$k.bias], [$k.lazy]]}]}]\n",
        REPORT + "evidence: bias-effect\n",
        REPORT + "evidence: {measure: stuck-units, of: k}\n",
        REPORT + "downgrade: [{to: info, because: b, if: [$k.kind, in, [linear, null, [1]]]}]\n",
        REPORT + f"forms: [{{form: other, summary: s, {REPORT.strip().replace(chr(10), ', ')}, "
        "docs: {why: w}, examples: {bad: [x], good: [y]}}]\n",
    ],
)
def test_what_parses_is_valid(body):
    assert parses(HEAD + body + TAIL)
    assert valid(HEAD + body + TAIL)


@pytest.mark.parametrize(
    "body",
    [
        "macth: []\n" + REPORT,
        REPORT.replace("kernel", "kernle"),
        REPORT + "where: [[$k.biass, eq, true]]\n",
        REPORT + "where: [[$k.bias, equals, true]]\n",
        REPORT + "where: [[$k.bias, ne]]\n",
        REPORT + "where: [[$k.bias, is-known, 1]]\n",
        REPORT + "where: [[bias, eq, true]]\n",
        REPORT + "where: [[not, bias]]\n",
        REPORT + "where: [[$k.users, gt, many]]\n",
        REPORT + "where: [[$k.class, in, A]]\n",
        REPORT + "where: [[$model.blok]]\n",
        REPORT + "where: [[$settings.norm, eq, a]]\n",
        REPORT + "where: {any: [[$k.biass], [$k.lazy]]}\n",
        REPORT + "where: {any: [$k.lazy]}\n",
        REPORT + "where: []\n",
        REPORT + "unless: [{if: [$k.bias]}]\n",
        REPORT + "fix: {set-argumnt: {of: k}, safety: safe}\n",
        REPORT + "fix: {swap: {first: k}, safety: safe}\n",
        REPORT + "fix: {safety: safe}\n",
        REPORT + "over: edges\n",
        REPORT + "enabled: sometimes\n",
        REPORT + "evidence: bias-efect\n",
        REPORT + "evidence: {of: k}\n",
        REPORT + "forms: [{form: other}]\n",
        "match: []\nreport: {at: k, message: m}\n",
    ],
)
def test_what_does_not_parse_is_not_valid(body):
    assert not parses(HEAD + body + TAIL)
    assert not valid(HEAD + body + TAIL)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("XX101", "101"), ("a-name", "A Name"), ("warning", "fatal"), ("it is so", "x" * 81)],
)
def test_the_head_is_checked(right, wrong):
    text = (HEAD + REPORT + TAIL).replace(right, wrong)
    assert not parses(text)
    assert not valid(text)
