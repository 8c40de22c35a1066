"""Reads the training code of a checked file: its own, and that of files that import its models."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bnlint.domain.graph import Location, LossUse, TrainingCode
from bnlint.domain.objects import is_a
from bnlint.loading.parsing import Source
from bnlint.models.evidence.imports import imports_from, leads_to
from bnlint.models.evidence.project import Project
from bnlint.models.training import statements_read
from bnlint.models.training.calls_read import value_of_call
from bnlint.models.training.code_values import CodeDefinition, CodeObject, ModelObject
from bnlint.models.training.reading_state import Frame, ReadingState
from bnlint.models.training.scripts import CodeFile

_PASSES, _MOST_FILES = 2, 20
"""Times that all code is read, since attributes may be set further down; files that are read."""

_SWITCHES = (".eval()", ".train(False)", ".train(mode=False)", "Trainer(", "Evaluator")
"""Text of files that switch to evaluation mode, themselves or by a framework."""


@dataclass(slots=True)
class TrainingFiles:
    """The training code around a checked file, read at the first question.

    ``names`` are those of the loaded module: its classes, factories and instances of models.
    """

    source: Source
    names: Mapping[str, Any]
    project: Project | None
    _own: CodeFile | None = None
    _scripts: dict[str, CodeFile] = field(default_factory=dict)
    _state: ReadingState | None = None
    _found: dict[tuple[str, str], CodeDefinition | None] = field(default_factory=dict)

    def of_model(self, names: Iterable[str], arguments: str) -> TrainingCode:
        """What the code does with a model that goes by these names and was built as written."""
        state = self._read()
        wanted = frozenset(names)

        def fits(model: ModelObject) -> bool:
            return model.name in wanted and all(flag in arguments for flag in model.flags)

        unsure = {place for model, place in state.unsure if model.name in wanted}
        uses = [
            LossUse(
                use.loss, ".".join(use.result.path), use.result.applied, self._placed(use.place)
            )
            for use in state.uses
            if fits(use.result.model) and use.place not in unsure
        ]
        evaluated = [e.place for e in state.evaluations if e.model.name in wanted]
        place = self._placed(evaluated[0]) if evaluated else None
        return TrainingCode(tuple(dict.fromkeys(uses)), place, self._switches())

    def _placed(self, at: Location) -> Location:
        return at if self.project is None else self.project.placed(at)

    def _switches(self) -> bool:
        """Whether any file that was read sets a model to evaluation mode."""
        texts = [self.source.text, *(s.source.text for s in self._scripts.values())]
        return any(switch in text for text in texts for switch in _SWITCHES)

    def _read(self) -> ReadingState:
        if self._state is None:
            self._own = self._checked_script()
            state = self._state = ReadingState(self._imported, value_of_call, statements_read.run)
            scripts = [self._own, *self._importing()]
            with contextlib.suppress(RecursionError):
                for _ in range(_PASSES):
                    state.restart()
                    for script in scripts:
                        _read_script(script, state)
        return self._state

    def _checked_script(self) -> CodeFile:
        models = {n: n for n, v in self.names.items() if _is_model_class(v)}
        script = CodeFile(self.source, models)
        script.models = {n: n for n in models if n in script.definitions}
        script.makers = frozenset(script.definitions).difference(script.models)
        instances = {n for n, v in self.names.items() if is_a(v, nn.Module)}
        script.instances = frozenset(instances)
        return script

    def _importing(self) -> Iterator[CodeFile]:
        """The files of the project that import a model from the checked file."""
        if self.project is None or self._own is None:
            return
        names = (*self._own.models, *self._own.makers, *self._own.instances)
        for text in self.project.mentioning(*names) if names else ():
            if len(self._scripts) >= _MOST_FILES:
                return
            if any(imports_from(text, self.source.path, name) for name in names):
                yield self._script(text)

    def _script(self, text: Source) -> CodeFile:
        if text.path not in self._scripts:
            self._scripts[text.path] = CodeFile(text)
        return self._scripts[text.path]

    def _imported(self, full: str, script: CodeFile) -> CodeDefinition | ModelObject | None:
        """What a dotted name refers to: a definition, or an instance of the checked file."""
        module, _, name = full.lstrip("=").rpartition(".")
        own = self._own
        if own is None or full.startswith("torch."):
            return None
        if full.startswith("=") or leads_to(module, self.source.path):
            if name in own.instances and name not in own.definitions:
                return ModelObject(name)
            if (found := own.defined(name)) is not None:
                return found
        return self._elsewhere(module.rpartition(".")[2], name)

    def _elsewhere(self, stem: str, name: str) -> CodeDefinition | None:
        """A function or class of another file of the project that is called ``stem``."""
        if self.project is None or not stem or not name:
            return None
        key = stem, name
        if key not in self._found:
            found = (self._script(text).defined(name) for text in self.project.called(stem))
            self._found[key] = next((each for each in found if each is not None), None)
        return self._found[key]


def _is_model_class(value: Any) -> bool:
    return is_a(value, type) and issubclass(value, nn.Module)


def _read_script(script: CodeFile, state: ReadingState) -> None:
    """Read what a file does when it runs, then what its functions do if anybody calls them."""
    frame = Frame(script, script.names)
    statements_read.read_body(script.source.tree.body, frame, state)
    for node in script.definitions.values():
        if isinstance(node, ast.ClassDef):
            _read_class(script, node, frame, state)
        elif id(node) not in state.read:
            statements_read.run(CodeDefinition(script, node), None, frame, state)


def _read_class(script: CodeFile, node: ast.ClassDef, frame: Frame, state: ReadingState) -> None:
    definition = CodeDefinition(script, node)
    own = ModelObject(node.name) if node.name in script.models else CodeObject(definition, 0)
    methods = definition.methods()
    for name in sorted(methods, key=lambda name: name != "__init__"):
        if id(methods[name]) not in state.read:
            method = CodeDefinition(script, methods[name], own)
            statements_read.run(method, None, frame, state)
