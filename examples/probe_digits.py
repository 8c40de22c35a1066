"""What a batch norm changes, measured: the same weights without norm, with it before, and after.

Five nets on the digits that come with scikit-learn (1797 images of 8 x 8): a 12-layer perceptron
with default initialisation and with all biases at -0.05, -0.5 and -3, and a plain CNN of 20 layers.
Each is trained for some steps of plain gradient descent from the same weights, three ways.

    pip install 'bnlint[plot]' scikit-learn
    python examples/probe_digits.py --plot pictures
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

import bnlint
from bnlint.domain.probe import ProbeResult, Variant
from bnlint.domain.probe_rows import gradient_ratio


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    return (images - images.mean()) / images.std(), torch.tensor(data.target)


def mlp(bias: float | None = None, depth: int = 12, width: int = 128) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for i in range(depth):
        linear = nn.Linear(64 if i == 0 else width, width)
        if bias is not None:
            nn.init.constant_(linear.bias, bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def cnn(depth: int = 20, width: int = 16) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Conv2d(1 if i == 0 else width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


NETS = {
    "mlp12 default": (lambda: mlp(), 1797),
    "mlp12 bias -0.05": (lambda: mlp(-0.05), 1797),
    "mlp12 bias -0.5": (lambda: mlp(-0.5), 1797),
    "mlp12 bias -3": (lambda: mlp(-3.0), 1797),
    "cnn20 default": (lambda: cnn(), 512),
}


def row(name: str, v: Variant) -> str:
    dead = [a.dead or 0 for a in v.activations]
    frozen = [a.frozen or 0 for a in v.activations]
    ratio = gradient_ratio(v.kernels) or 0.0
    ends = "".join(f"{c.losses[-1]:>10.3f}" for c in v.curves)
    return (
        f"{name:<18}{v.name:<8}{sum(dead) / len(dead):>6.0%}{sum(frozen) / len(frozen):>8.0%}"
        f"{v.signal:>10.1e}{ratio:>11.1e}{ends}"
    )


def measured(name: str, steps: int) -> ProbeResult:
    build, samples = NETS[name]
    x, y = digits()
    return bnlint.probe(
        build(),
        x[:samples],
        targets=y[:samples],
        loss=functional.cross_entropy,
        compare=True,
        steps=steps,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--plot", type=Path, help="a folder for the pictures")
    parser.add_argument("--net", action="append", choices=list(NETS))
    given = parser.parse_args()
    print(f"loss after {given.steps} steps at rates .02, .1, .3; dead, frozen: mean over layers")
    print(f"{'net':<18}{'norm':<8}{'dead':>6}{'frozen':>8}{'signal':>10}{'gradient':>11}", end="")
    print(f"{'.02':>10}{'.1':>10}{'.3':>10}")
    for name in given.net or NETS:
        result = measured(name, given.steps)
        assert result.comparison is not None
        for variant in result.comparison.variants:
            if variant.name != "as-written":
                print(row(name, variant), flush=True)
        if given.plot:
            result.save_plots(given.plot / name.replace(" ", "_"))


if __name__ == "__main__":
    main()
