"""A model and a checkpoint file: which keys fit, and what ``strict=False`` leaves at random."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from bnlint.comparing.sides import TracedModel, Tracing, Tree
from bnlint.comparing.story import side_of
from bnlint.comparing.verdicts import checkpoint_answer
from bnlint.domain.graph import Shape
from bnlint.domain.model_comparison import (
    CHANGED,
    IDENTICAL,
    NOT_COMPARED,
    ComparedSide,
    ComparisonReport,
    FunctionAnswer,
    ModelComparison,
)
from bnlint.domain.request import KeyMap, ProofRequest, ProofResult
from bnlint.graph.cost import cost_of

_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".tar", ".pkl")
_NO_FORWARD = "a checkpoint holds weights only; its keys and shapes were compared"


def is_checkpoint(path: str) -> bool:
    """True for a file that is no source; it is read with ``weights_only=True``."""
    return path.endswith(_SUFFIXES)


def compare_checkpoint(
    tracing: Tracing, tree: Tree, target: str, checkpoint: str
) -> ComparisonReport:
    """Each model that ``target`` names, compared with the keys of the file."""
    files = tracing.files(tree, [target])
    models = [model for file in files for model in file.models]
    found = [_one(tracing, model, checkpoint) for model in models]
    problems = [problem for file in files for problem in file.problems]
    torch = next((file.torch for file in files if file.torch), "")
    return ComparisonReport(tuple(found), tuple(problems), torch, checkpoint, "")


def _one(tracing: Tracing, model: TracedModel, checkpoint: str) -> ModelComparison:
    path = os.path.abspath(checkpoint)
    result, reason = _tried(tracing, model, path, ())
    new = {s.key: s.shape for s in model.graph.states if s.persistent}
    old = dict(result.keys) if result else {}
    maps: tuple[KeyMap, ...] = ()
    if result and result.loads and not result.loads.loads:
        maps = tuple(filter(None, (_renames(old, new),)))
        result, reason = _tried(tracing, model, path, maps)
    answer = checkpoint_answer(old, new, result, maps, reason)
    verdict = NOT_COMPARED if answer.loads is None else IDENTICAL if answer.loads else CHANGED
    return ModelComparison(
        model.file,
        model.name,
        verdict,
        ComparedSide("", checkpoint, ""),
        side_of(model),
        answer,
        FunctionAnswer(reason=_NO_FORWARD),
        cost=(None, cost_of(model.graph)),
        reason=reason if answer.loads is None else "",
        graphs=(None, model.graph),
    )


def _tried(
    tracing: Tracing, model: TracedModel, path: str, maps: tuple[KeyMap, ...]
) -> tuple[ProofResult | None, str]:
    """What the model said to the file; built on meta, whatever its size."""
    request = ProofRequest(
        model.request,
        "",
        model.spec,
        maps=maps,
        limit=0,
        arguments=model.graph.ref.arguments,
        checkpoint=path,
    )
    (outcome,) = tracing.trace([request])
    result = next(iter(outcome.proofs), None)
    if result is None:
        said = [problem.message for problem in outcome.problems]
        return None, said[0] if said else "the model is not built"
    return result, result.reason


def _renames(old: Mapping[str, Shape], new: Mapping[str, Shape]) -> KeyMap:
    """Old keys without their prefixes, or with another one; then by shape where that is certain."""
    left = {k: s for k, s in old.items() if new.get(k) != s}
    right = {k: s for k, s in new.items() if old.get(k) != s}
    found: dict[str, str] = {}
    for cut in range(1, 5):
        _by_tail(left, right, cut, found)
    groups: dict[tuple[str, Shape], tuple[list[str], list[str]]] = {}
    for side, keys in ((0, left), (1, right)):
        used: Sequence[str] = list(found) if side == 0 else list(found.values())
        for key, shape in keys.items():
            if key not in used:
                word = key.rpartition(".")[2], shape
                groups.setdefault(word, ([], []))[side].append(key)
    for first, second in groups.values():
        if len(first) == len(second):
            found |= dict(zip(first, second, strict=True))
    return tuple(found.items())


def _by_tail(
    left: Mapping[str, Shape], right: Mapping[str, Shape], cut: int, found: dict[str, str]
) -> None:
    """Pairs of keys that are equal once ``cut`` parts are taken off the front of one of them."""
    taken = set(found.values())
    tails: dict[tuple[str, Shape], list[str]] = {}
    for key, shape in right.items():
        if key not in taken:
            for tail in {key, _tail(key, cut)}:
                tails.setdefault((tail, shape), []).append(key)
    for key, shape in left.items():
        for tail in (key, _tail(key, cut)):
            fits = [k for k in tails.get((tail, shape), []) if k not in taken and tail]
            if key not in found and len(fits) == 1:
                found[key] = fits[0]
                taken.add(fits[0])


def _tail(key: str, cut: int) -> str:
    return ".".join(key.split(".")[cut:])
