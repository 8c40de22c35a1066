"""The values of calls in training code; calls of losses are noted."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from bnlint.layers.losses import FUNCTIONS, LOSSES
from bnlint.models.training import expressions_read
from bnlint.models.training.code_values import (
    UNCLEAR,
    ActivationFunction,
    CodeDefinition,
    CodeObject,
    LossFunction,
    ModelObject,
    ModelResult,
    Several,
    Values,
)
from bnlint.models.training.loss_names import (
    ACTIVATIONS,
    DECIDES_OUTPUT,
    KEEPS_MODEL,
    KEEPS_RESULT,
    WRAPPERS,
)
from bnlint.models.training.reading_state import (
    FoundEvaluation,
    FoundUse,
    Frame,
    ReadCall,
    ReadingState,
    is_clear,
    joined,
)

_FRAMEWORK = (ModelObject, LossFunction, ActivationFunction)


def value_of_call(node: ast.Call, frame: Frame, state: ReadingState) -> Values:
    """The values that a call may return."""
    values = [expressions_read.value_of(a, frame, state) for a in node.args]
    named = [(k.arg or "", expressions_read.value_of(k.value, frame, state)) for k in node.keywords]
    call = ReadCall(node, tuple(values), tuple(named))
    if (model := _built_model(node, frame, state)) is not None:
        return frozenset((model,))
    if full := frame.script.full_name(node.func):
        found = _of_library(full, call, frame, state)
        if found is not None:
            return found
    if isinstance(node.func, ast.Attribute):
        owners = expressions_read.value_of(node.func.value, frame, state)
        each = [_of_method(owner, node.func.attr, call, frame, state) for owner in owners]
        known = [values for values in each if values is not None]
        if owners and len(known) == len(each):
            return joined(*known)
        if node.func.attr in WRAPPERS:
            return _wrapped(call)
    targets = expressions_read.value_of(node.func, frame, state)
    return _called(targets, call, frame, state)


def _built_model(node: ast.Call, frame: Frame, state: ReadingState) -> ModelObject | None:
    """The model that a call of a class of the checked file builds."""
    local = isinstance(node.func, ast.Name) and node.func.id in frame.names
    if local or not isinstance(node.func, (ast.Name, ast.Attribute)):
        return None
    found = frame.script.defined(node.func.id) if isinstance(node.func, ast.Name) else None
    full = frame.script.full_name(node.func)
    imported = state.imported(full, frame.script) if full and found is None else found
    if isinstance(imported, CodeDefinition) and imported.name in imported.script.models:
        return ModelObject(imported.name, _flags(node))
    return None


def _flags(node: ast.Call) -> tuple[str, ...]:
    """The arguments that may decide what a model ends in, as text; "?" for one that is unknown."""
    found = [_flag(a) for a in node.args]
    for keyword in node.keywords:
        if flag := _flag(keyword.value):
            found.append(f"{keyword.arg}={flag}")
        elif not isinstance(keyword.value, ast.Constant) and _decides(keyword.arg or ""):
            found.append("?")
    return tuple(filter(None, found))


def _flag(node: ast.expr) -> str:
    plain = isinstance(node, ast.Constant) and isinstance(node.value, (bool, str))
    return ast.unparse(node) if plain else ""


def _decides(name: str) -> bool:
    return any(part in name.lower() for part in DECIDES_OUTPUT)


def _of_library(full: str, call: ReadCall, frame: Frame, state: ReadingState) -> Values | None:
    """What a function or class of a library returns; None if it is not known here."""
    name = full.rpartition(".")[2]
    if name in WRAPPERS and not full.startswith("."):
        return _wrapped(call)
    if full == "functools.partial":
        return call.first()
    if not full.startswith("torch."):
        return None
    if name in LOSSES:
        return frozenset((LossFunction(LOSSES[name]),))
    if name in FUNCTIONS:
        note_loss(frozenset((LossFunction(name),)), call, frame, state)
        return UNCLEAR
    if name in ACTIVATIONS:
        made = ActivationFunction(ACTIVATIONS[name])
        return frozenset((made,)) if name[0].isupper() else _activated(made, call.first())
    if name in KEEPS_RESULT:
        return call.first()
    return None


def _wrapped(call: ReadCall) -> Values:
    """The arguments of a function that returns them: one, or several as a tuple."""
    every = [*call.args, *(v for k, v in call.kwargs if k in ("module", "model", "models"))]
    if len(call.args) < 2 or any(isinstance(v, _FRAMEWORK) for v in every[1]) is False:
        prepared = isinstance(call.node.func, ast.Attribute) and len(call.args) > 1
        if not prepared:
            return every[0] if every else UNCLEAR
    return frozenset((Several(tuple((str(n), v) for n, v in enumerate(call.args))),))


def _activated(made: ActivationFunction, results: Values) -> Values:
    return frozenset(
        replace(v, applied=(*v.applied, made.name)) if isinstance(v, ModelResult) else v
        for v in results
    )


def _of_method(
    owner: Any, name: str, call: ReadCall, frame: Frame, state: ReadingState
) -> Values | None:
    """What a method of one value returns; None if the value has no such method here."""
    if isinstance(owner, ModelResult):
        return _of_result(owner, name, call)
    if isinstance(owner, _FRAMEWORK) and name in KEEPS_MODEL:
        return frozenset((owner,))
    if name in ("forward", "__call__") and isinstance(owner, _FRAMEWORK):
        return _called(frozenset((owner,)), call, frame, state)
    if isinstance(owner, ModelObject):
        method = _method_of_model(owner, name, frame, state)
        return None if method is None else state.run(method, call, frame, state)
    if isinstance(owner, CodeObject) and name in KEEPS_MODEL:
        return frozenset((owner,))
    return None


def _of_result(owner: ModelResult, name: str, call: ReadCall) -> Values:
    if name in KEEPS_RESULT:
        return frozenset((owner,))
    if name in ACTIVATIONS:
        return _activated(ActivationFunction(ACTIVATIONS[name]), frozenset((owner,)))
    key = call.node.args[0] if name == "get" and call.node.args else None
    if isinstance(key, ast.Constant):
        return frozenset((replace(owner, path=(*owner.path, str(key.value))),))
    return UNCLEAR


def _method_of_model(
    owner: ModelObject, name: str, frame: Frame, state: ReadingState
) -> CodeDefinition | None:
    definition = state.imported(f"={owner.name}", frame.script)
    if not isinstance(definition, CodeDefinition):
        return None
    node = definition.methods().get(name)
    return None if node is None else CodeDefinition(definition.script, node, owner)


def _called(targets: Values, call: ReadCall, frame: Frame, state: ReadingState) -> Values:
    if any(isinstance(target, LossFunction) for target in targets):
        note_loss(targets, call, frame, state)
        return UNCLEAR
    found = [_called_one(target, call, frame, state) for target in targets]
    return joined(*found) if found else UNCLEAR


def _called_one(target: Any, call: ReadCall, frame: Frame, state: ReadingState) -> Values:
    if isinstance(target, ModelObject):
        return _model_called(target, call, frame, state)
    if isinstance(target, ActivationFunction):
        return _activated(target, call.first())
    if isinstance(target, CodeObject):
        methods = target.definition.methods()
        node = methods.get("__call__") or methods.get("forward")
        if node is not None:
            method = CodeDefinition(target.definition.script, node, target)
            return state.run(method, call, frame, state)
    if isinstance(target, CodeDefinition):
        if _is_class(target):
            return _built_object(target, call, frame, state)
        found = state.run(target, call, frame, state)
        if target.name in target.script.makers and not is_clear(found):
            return frozenset((ModelObject(target.name, _flags(call.node)),))
        return found
    return UNCLEAR


def _is_class(definition: CodeDefinition) -> bool:
    return isinstance(definition.node, ast.ClassDef)


def _model_called(model: ModelObject, call: ReadCall, frame: Frame, state: ReadingState) -> Values:
    """The result of a model; a class that takes the result of another one may be a loss."""
    if any(isinstance(value, ModelResult) for values in call.args for value in values):
        method = _method_of_model(model, "forward", frame, state)
        if method is not None:
            state.run(method, call, frame, state)
    if frame.without_gradients:
        state.evaluations[FoundEvaluation(model, frame.place(call.node))] = None
    return frozenset((ModelResult(model),))


def _built_object(
    definition: CodeDefinition, call: ReadCall, frame: Frame, state: ReadingState
) -> Values:
    made = CodeObject(definition, call.node.lineno)
    node = definition.methods().get("__init__")
    if node is not None:
        state.run(CodeDefinition(definition.script, node, made), call, frame, state)
    return frozenset((made,))


def note_loss(losses: Values, call: ReadCall, frame: Frame, state: ReadingState) -> None:
    """Note the loss and the results it is applied to, unless more than one may be meant."""
    place, results = frame.place(call.node), call.first()
    sure = len(losses) == 1 and is_clear(losses)
    by_model: dict[ModelObject, list[ModelResult]] = {}
    for result in results:
        if isinstance(result, ModelResult):
            by_model.setdefault(result.model, []).append(result)
    for model, found in by_model.items():
        loss = next(iter(losses))
        if sure and len(found) == 1:
            state.uses[FoundUse(found[0], loss.name, place)] = None
        else:
            state.unsure.add((model, place))
