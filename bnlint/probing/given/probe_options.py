"""The options of ``bnlint probe``: as plain data, and on the command line; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from bnlint.domain.finding import Report
from bnlint.domain.probe import ProbeResult

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How to probe; the defaults are those of ``bnlint.probe``.

    ``data`` is the path of a ``.pt`` or ``.npz`` file, or a name in the model's file that holds or
    returns batches. ``loss`` is a name in that file or in ``torch.nn.functional``. ``inputs`` are
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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the target and every option of the probe to a parser."""
    add = parser.add_argument
    add(
        "target", metavar="TARGET", help="net.py, net.py::Net(10), net.py::build(width=2), pkg::Net"
    )
    add("--device", default="", help="cpu, cuda, cuda:1, mps, xpu (default: where the model is)")
    add("--dtype", default="", metavar="DTYPE", help="autocast in float16 or bfloat16")
    look = "samples to look at (default 256)"
    add("--batch", type=int, default=256, dest="samples", metavar="N", help=look)
    add("--batch-size", type=int, default=0, metavar="N", help="the size used in training")
    add("--input", action="append", dest="inputs", metavar="SHAPE", help="noise like 1x3x32x32")
    add("--data", default="", metavar="DATA", help="a .pt or .npz file, or a name in the file")
    add("--loss", default="", metavar="NAME", help="cross_entropy, or a function of the file")
    add("--compare", action="store_true", help="also without norms, with norms before and after")
    add("--steps", type=int, default=30, metavar="K", help="steps of descent to compare (30)")
    add("--eval", action="store_false", dest="train", help="leave a model in eval mode as it is")
    add("--seed", type=int, default=0, help="for noise, labels and dropout")
    add("--plot", default="", metavar="DIR", help="pictures as PNG and SVG, or net.svg (plot)")
    add("--no-titles", action="store_false", dest="titles", help="pictures without titles")


def options_of(given: argparse.Namespace) -> ProbeOptions:
    """The options that :func:`bnlint.pipeline.probe_file.probe_file` takes."""
    names = {field.name for field in fields(ProbeOptions)}
    chosen = {name: value for name, value in vars(given).items() if name in names}
    return ProbeOptions(**{**chosen, "inputs": tuple(given.inputs or ())})
