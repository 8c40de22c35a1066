"""The answers of a comparison in a few words each, for a table."""

from __future__ import annotations

from bnlint.comparing.showing.answers_in_words import figure
from bnlint.domain.model_comparison import OTHER_ORDER, ModelComparison
from bnlint.domain.phrases import plural


def short_checkpoint(each: ModelComparison) -> str:
    """``load``, ``load with the key map (7 keys renamed)``, ``5 new, 2 gone``."""
    answer = each.checkpoint
    if answer is None:
        return ""
    if answer.loads is None:
        return "not tried"
    if answer.loads:
        return "load"
    counts = (
        (len(answer.renamed), "renamed"),
        (len(answer.missing), "new"),
        (len(answer.unexpected), "gone"),
        (len(answer.reshaped), "reshaped"),
    )
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    if answer.loads_with_renames:
        return f"load with the key map ({plural(len(answer.renamed), 'key')} renamed)"
    return f"do not load: {said} keys" if said else "do not load"


def short_function(each: ModelComparison) -> str:
    """``equal``, ``differ from `norm` on``, ``not compared``."""
    answer = each.function
    if answer is None:
        return ""
    if not answer.compared:
        return "not compared"
    if answer.equal:
        noted = "; draws in another order" if answer.reason == OTHER_ORDER else ", with a note"
        return f"equal{noted if answer.reason else ''}"
    first = answer.first_difference
    return f"differ from `{first.layer}` on" if first and first.layer else "differ"


def short_graph(each: ModelComparison) -> str:
    """``+1 -1 ~2``."""
    graph = each.graph
    if graph is None:
        return ""
    counts = (("+", graph.added), ("-", graph.removed), (">", graph.moved), ("~", graph.changed))
    return " ".join(f"{sign}{sum(c.count for c in found)}" for sign, found in counts if found)


def short_cost(each: ModelComparison) -> str:
    """The change of parameters and multiply-adds."""
    old, new = each.cost
    if old is None or new is None:
        return ""
    pairs = (
        ("parameters", old.parameters, new.parameters),
        ("multiply-adds", old.multiply_adds, new.multiply_adds),
    )
    said = [figure(name, a, b, "") for name, a, b in pairs if a != b]
    return ", ".join(said) or "unchanged"
