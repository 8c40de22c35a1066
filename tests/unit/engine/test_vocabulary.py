from __future__ import annotations

from bnlint.domain.phrases import did_you_mean
from bnlint.layers.table import tags


def test_did_you_mean():
    assert did_you_mean("kernle", tags()) == "did you mean 'kernel'?"
    assert did_you_mean("zzz", ("a", "b")) == "known: a, b"
    assert did_you_mean("zzz", tags()) == ""
