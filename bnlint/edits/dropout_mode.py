"""``follow-mode``: a dropout that is called as a function follows the mode of the module."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.graph import ModuleInfo, name_of
from bnlint.edits import Action, Job, NoEdit, Plan
from bnlint.edits.construction import FoundCall

_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
_FACTS = ("training", "on-in-evaluation", "on-explicitly")


def follow_mode(job: Job) -> Iterator[Plan]:
    """``training=self.training`` in the call; the proof shows whether there is such a ``self``."""
    subject = job.layers["of"]
    short = subject.types[0].rpartition(".")[2] if subject.types else ""
    if isinstance(subject, ModuleInfo) or subject.construction or short not in _DROPOUTS:
        raise NoEdit(f"{name_of(subject)} is no dropout function of torch")
    call = FoundCall(job, subject)
    text = "self.training"
    yield call.plan(call.set("training", text, text), f"pass training={text}", _FACTS)


ACTIONS = (Action("follow-mode", follow_mode),)
