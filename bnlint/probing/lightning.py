"""A Lightning callback that probes now and then in training (the ``lightning`` extra)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bnlint.domain.errors import UsageError
from bnlint.domain.probe import ProbeResult
from bnlint.probing.watch import Watch, watch

try:
    from lightning.pytorch.callbacks import Callback
except ImportError as error:  # pragma: no cover - depends on what is installed
    raise UsageError(
        "the callback needs Lightning", hint="pip install 'bnlint[lightning]'"
    ) from error


class ProbeCallback(Callback):
    """Probes every ``every``-th training step and logs the numbers to the trainer's loggers.

    ``part`` names the submodule to watch if the training step does not call ``forward`` of the
    module but of a submodule (``self.model(x)``). Without it the only child that has parameters is
    watched, else the module itself.
    """

    def __init__(self, every: int = 100, part: str = "") -> None:
        super().__init__()
        self.every, self.part = every, part
        self._watch: Watch | None = None
        self._trainer: Any = None

    @property
    def results(self) -> list[tuple[int, ProbeResult]]:
        """Pairs of step and result, latest last."""
        return list(self._watch.results) if self._watch is not None else []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts to watch."""
        self._trainer = trainer
        model = pl_module.get_submodule(self.part) if self.part else _whole(pl_module)
        self._watch = watch(model, self.every, log=self._log).__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        """Takes the numbers of this step, if it was observed."""
        if self._watch is not None:
            self._watch.flush()

    def on_train_end(self, *_: Any) -> None:
        """Removes the hooks."""
        if self._watch is not None:
            self._watch.__exit__(None, None, None)

    def on_exception(self, *_: Any) -> None:
        """Removes the hooks."""
        self.on_train_end()

    def _log(self, _step: int, values: Mapping[str, float]) -> None:
        for logger in self._trainer.loggers:
            logger.log_metrics(dict(values), step=self._trainer.global_step)


def _whole(pl_module: Any) -> Any:
    """The only child that holds layers, else the module itself."""
    children = [c for c in pl_module.children() if any(True for _ in c.parameters())]
    return children[0] if len(children) == 1 else pl_module
