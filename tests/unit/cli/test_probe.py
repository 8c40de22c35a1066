"""The probe's command line: what is missing is told before anything is measured."""

from __future__ import annotations

import pytest

from bnlint.cli import probe_command
from bnlint.domain.errors import UsageError
from bnlint.probing.showing import pictures


def _measured(*_: object) -> None:
    pytest.fail("something was measured")


def test_pictures_without_matplotlib_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    monkeypatch.setattr(
        probe_command, "probe_checked", lambda *_: pytest.fail("something was measured")
    )
    with pytest.raises(UsageError, match="pictures need matplotlib"):
        probe_command.run(["net.py::Net", "--plot", "pictures"])
