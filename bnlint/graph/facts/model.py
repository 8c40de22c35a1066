"""Facts about the model as a whole."""

from __future__ import annotations

from bnlint.domain.graph import Op
from bnlint.domain.rule import Tags
from bnlint.graph.facts.answer import UNKNOWN, Answer
from bnlint.graph.view import View, layer_key

TO_OUTPUT = Tags(any_of=("passthrough", "norm", "softmax", "dropout", "reshape", "saturating"))
FAMILIES = ("batchnorm", "instancenorm", "groupnorm", "layernorm", "rmsnorm", "localresponsenorm")


def layers(view: View, tag: str) -> int:
    """How many different layers (or function calls) have ``tag``."""
    return len({layer_key(op) for op in view.fitting(Tags(any_of=(tag,)))})


def norm_families(view: View) -> Answer:
    """The families of norm in the model, sorted."""
    return tuple(sorted(f for f in FAMILIES if view.fitting(Tags(any_of=(f,)))))


def family(op: Op) -> Answer:
    """The family of a norm; ``norm`` for one of none."""
    return next((f for f in FAMILIES if f in op.tags), "norm" if "norm" in op.tags else UNKNOWN)


def classifier(view: View) -> Answer:
    """Whether some result of the model comes from a dense kernel that narrows.

    Looks back from the outputs through norms, softmax, dropout and reshapes. Unknown without an
    output in the graph.
    """
    outputs = view.fitting(Tags(any_of=("output",)))
    if not outputs:
        return UNKNOWN
    ends = [o for output in outputs for o in view.beyond(output, TO_OUTPUT, back=True)]
    return any("dense" in op.tags and _narrows(op) for op in ends)


def _narrows(op: Op) -> bool:
    wide, narrow = op.facts.get("in-channels"), op.facts.get("out-channels")
    return isinstance(wide, int) and isinstance(narrow, int) and narrow < wide


def merges(view: View) -> Answer:
    """How many adds and concatenations there are: 0 in a plain chain."""
    return len(view.fitting(Tags(any_of=("add", "concat"))))
