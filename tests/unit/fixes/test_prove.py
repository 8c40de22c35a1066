"""Edits that do something else than they should do not pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.edits import Change, Plan
from bnlint.edits.syntax import SourceText, Splice
from bnlint.fixes.propose import Proposal, propose
from bnlint.fixes.prove import prove
from tests.unit.fixes.mending import PATH, InProcess

CODE = """\
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = self.bn(self.conv(x)).relu()
        return self.head(self.bn2(self.conv2(x)).relu())
"""


def _reason(old: str, new: str, *, safety: str = "", change: Change | None = None) -> str:
    """Why the edit that turns ``old`` into ``new`` does not count as the fix of the bias."""
    session, texts = InProcess(), {PATH: SourceText(PATH, CODE)}
    looks = (session.look(texts[PATH]),)
    (proposal,) = propose(looks, texts, lambda key, finding: finding.rule == "BN301").edits
    start = CODE.index(old)
    plan = replace(proposal.plan, splices=(Splice(start, start + len(old), new),))
    if change is not None:
        plan = replace(plan, change=change)
    members = proposal.members
    if safety:
        remedy = replace(members[0].finding.remedy, safety=safety, arguments={})  # type: ignore[type-var]
        members = [replace(members[0], finding=replace(members[0].finding, remedy=remedy))]
    changed: Plan = plan
    return prove(session, looks, texts, [Proposal(changed, 0, members)]).reason  # type: ignore[arg-type]


def test_the_right_edit_passes() -> None:
    assert _reason("3, 8, 3)", "3, 8, 3, bias=False)") == ""


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("3, 8, 3)", "3, 8, 3, bias=)", "does not parse"),
        ("3, 8, 3)", "3, 8, 3, bias=True)", "BN301 is still found"),
        ("3, 8, 3)", "3, 8, 3, stride=2, bias=False)", "stride of conv has changed"),
        (
            "3, 8, 3)\n        self.bn = nn.BatchNorm2d(8)",
            "3, 8, 3, bias=False)\n        self.bn = nn.BatchNorm2d(8, eps=1e-4)",
            "eps of bn has changed",
        ),
        ("self.bn(self.conv(x)).relu()", "self.bn(self.conv(x))", "operations where"),
        (
            "self.bn(self.conv(x)).relu()",
            "self.bn(self.conv(x)).tanh()",
            "`tanh()` takes the place",
        ),
        (
            "self.bn2(self.conv2(x))",
            "self.bn2(self.conv2(x) + 0 * x[:, :, :-2, :-2])",
            "operations",
        ),
        ("nn.BatchNorm2d(8)", "nn.InstanceNorm2d(8)", "another kind of layer"),
        ("class Net", "class Other", "other models are found"),
        (
            "8, 8, 3, bias=False)",
            "8, 8, 3, bias=True)",
            "bias of conv2 has changed",
        ),
    ],
)
def test_a_wrong_edit_does_not(old: str, new: str, reason: str) -> None:
    assert reason in _reason(old, new)


def test_what_is_called_safe_must_give_the_same_results() -> None:
    said = _reason("self.conv(x)", "self.conv(x * 1.0)", safety="safe")
    assert said
    change = Change(frozenset(("bias", "parameters")))
    same = "3, 8, 3)", "3, 8, 3, bias=False)"
    # Not lowered by the bias, the running mean makes another result in eval mode.
    assert "in eval mode the results differ" in _reason(*same, safety="safe", change=change)
