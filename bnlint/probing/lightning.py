"""A Lightning callback that probes now and then in training (the ``lightning`` extra)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

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

    Steps have the numbers under which the trainer logs its own metrics of the same batch. ``part``
    names the submodule to watch if the training step does not call ``forward`` of the module but of
    a submodule (``self.model(x)``). Without it the only child that has parameters is watched, else
    the module itself. ``quiet`` keeps findings in ``results``, as in :func:`bnlint.watch`.
    """

    def __init__(self, every: int = 100, part: str = "", *, quiet: bool = False) -> None:
        super().__init__()
        self.every, self.part, self.quiet = every, part, quiet
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
        watching = watch(model, self.every, log=self._log, quiet=self.quiet, step=self._step)
        self._watch = watching.__enter__()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the numbers of this step, if it was observed and they have arrived."""
        if self._watch is None:
            return
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):  # the trainer has divided it by the batches of one step
            self._watch.report_loss(loss * trainer.accumulate_grad_batches)
        self._watch.poll()

    def on_train_end(self, *_: Any) -> None:
        """Takes the last numbers and removes the hooks."""
        if self._watch is not None:
            self._watch.__exit__(None, None, None)

    def on_exception(self, *_: Any) -> None:
        """Removes the hooks."""
        self.on_train_end()

    def _step(self) -> int:
        """The number under which the trainer logs this batch, also with several optimizers."""
        loop = getattr(self._trainer.fit_loop, "epoch_loop", None)
        stepped = getattr(loop, "_batches_that_stepped", None)
        return int(self._trainer.global_step if stepped is None else stepped)

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        for logger in self._trainer.loggers:
            logger.log_metrics(dict(values), step=step)


def _whole(pl_module: Any) -> Any:
    """The only child that holds layers, else the module itself."""
    children = [c for c in pl_module.children() if any(True for _ in c.parameters())]
    return children[0] if len(children) == 1 else pl_module
