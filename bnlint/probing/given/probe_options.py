"""The options of ``bnlint probe``: as plain data, and on the command line; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

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
    samples: int | None = None
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


HELP = {
    "target": "net.py, net.py::Net(10), net.py::build(width=2), pkg::Net",
    "--device": "cpu, cuda, cuda:1, mps, xpu (default: where the model is)",
    "--dtype": "autocast in float16 or bfloat16",
    "--batch": "number of samples to measure (default: 256, of noise for a large model fewer)",
    "--batch-size": "batch size of the training (default: that of the data)",
    "--input": "shape of random input, for example 1x3x32x32 (repeatable)",
    "--data": "real batches: a .pt or .npz file, or a name in the model's file",
    "--loss": "a loss of torch.nn.functional such as cross_entropy, or a function in the file",
    "--compare": "also measure the model without norms, and with norms before or after activations",
    "--steps": "training steps of each variant, with --compare (default: 30)",
    "--eval": "leave a model in eval mode if it is (default: probe in train mode)",
    "--seed": "random seed of inputs, labels and dropout",
    "--plot": "write plots as PNG and SVG, or one file such as net.svg (needs the plot extra)",
    "--no-titles": "plots without titles",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the target and every option of the probe to a parser."""

    def add(name: str, **how: Any) -> None:
        parser.add_argument(name, help=HELP[name], **how)

    add("target", metavar="TARGET")
    add("--device", default="")
    add("--dtype", default="", metavar="DTYPE")
    add("--batch", type=int, default=None, dest="samples", metavar="N")
    add("--batch-size", type=int, default=0, metavar="N")
    add("--input", action="append", dest="inputs", metavar="SHAPE")
    add("--data", default="", metavar="DATA")
    add("--loss", default="", metavar="NAME")
    add("--compare", action="store_true")
    add("--steps", type=int, default=30, metavar="K")
    add("--eval", action="store_false", dest="train")
    add("--seed", type=int, default=0)
    add("--plot", default="", metavar="DIR")
    add("--no-titles", action="store_false", dest="titles")


def options_of(given: argparse.Namespace) -> ProbeOptions:
    """The options that :func:`bnlint.pipeline.probe_file.probe_file` takes."""
    names = {field.name for field in fields(ProbeOptions)}
    chosen = {name: value for name, value in vars(given).items() if name in names}
    return ProbeOptions(**{**chosen, "inputs": tuple(given.inputs or ())})
