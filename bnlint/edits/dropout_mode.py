"""``follow-mode``: a dropout follows the mode of the module: a function, or a layer registered."""

from __future__ import annotations

from collections.abc import Iterator

from bnlint.domain.graph import ModuleInfo, name_of
from bnlint.edits import Action, Job, NoEdit, Plan
from bnlint.edits.construction import FoundCall
from bnlint.edits.in_constructor import register

_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
_ATTENTION = "scaled_dot_product_attention"
_PLACE_OF_P = 4
_FACTS = ("training", "on-in-evaluation", "on-explicitly", "dropout-p")


def follow_mode(job: Job) -> Iterator[Plan]:
    """``training=self.training`` in the call; the proof shows whether there is such a ``self``.

    A layer follows it once it is registered.
    """
    subject = job.layers["of"]
    if not isinstance(subject, ModuleInfo) and subject.facts.get("held") in ("forward", "list"):
        yield from register(job)
        return
    short = subject.types[0].rpartition(".")[2] if subject.types else ""
    function = not isinstance(subject, ModuleInfo) and not subject.construction
    if function and short == _ATTENTION:
        yield _of_attention(FoundCall(job, subject))
    elif function and short in _DROPOUTS:
        call, text = FoundCall(job, subject), "self.training"
        yield call.plan(call.set("training", text, text), f"pass training={text}", _FACTS)
    else:
        raise NoEdit(f"{name_of(subject)} is no dropout function of torch")


def _of_attention(call: FoundCall) -> Plan:
    """The rate in training only: the function has no argument for the mode."""
    arg = call.find("dropout_p")
    if arg is None and len(call.node.args) > _PLACE_OF_P:
        arg = call.node.args[_PLACE_OF_P]
    if arg is None or arg.star or (arg.keyword and arg.keyword.value != "dropout_p"):
        raise NoEdit("dropout_p is not given in the call")
    text = f"{call.syntax.text(arg.value)} if self.training else 0.0"
    splices = (call.syntax.replace(arg.value, text),)
    return call.plan(splices, "dropout_p in training only", _FACTS)


ACTIONS = (Action("follow-mode", follow_mode),)
