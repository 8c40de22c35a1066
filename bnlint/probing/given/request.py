"""What the host asks of a probe, and its answer, as plain data; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from bnlint.domain.finding import Report
from bnlint.domain.probe import ProbeResult


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How to probe; the defaults are those of ``bnlint.probe``.

    ``data`` is the path of a ``.pt`` or ``.npz`` file, or a name in the model's file that holds or
    gives batches. ``loss`` is a name in that file or in ``torch.nn.functional``. ``inputs`` are
    shapes of noise as for linting. ``report`` is a static report to attach measurements to.
    """

    device: str = ""
    dtype: str = ""
    samples: int = 256
    batch_size: int = 0
    compare: bool = False
    steps: int = 30
    seed: int = 0
    train: bool = True
    inputs: tuple[str, ...] = ()
    data: str = ""
    loss: str = ""
    layers: tuple[tuple[str, str], ...] = ()
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One model of one file (or installed module) and the options."""

    path: str
    module: str
    call: str
    options: ProbeOptions

    @property
    def name(self) -> str:
        """The path of the file, or the name of the module."""
        return self.path or self.module


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The result, or the mistakes (message, hint) that kept the probe from it."""

    result: ProbeResult | None = None
    mistakes: tuple[tuple[str, str], ...] = ()
