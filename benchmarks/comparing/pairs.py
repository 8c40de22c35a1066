"""Pairs of models that were written with the answers: refactorings, and real changes of every kind.

A pair is written once, as a template with alternatives: ``{old|new}``. ``loads`` and ``equal`` are
what the answers should be; ``equal`` is None if weights don't fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = """import math
import torch
import torch.nn as nn
import torch.nn.functional as F
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair; ``renames`` are prefixes of keys, old to new; ``input`` is given if it must be."""

    name: str
    template: str
    verdict: str
    loads: bool
    equal: bool | None
    renames: tuple[tuple[str, str], ...] = ()
    input: str = ""

    def sources(self) -> tuple[str, str]:
        """The text of both files."""
        old, new = (_chosen(self.template, n) for n in (0, 1))
        return HEAD + old, HEAD + new


def _chosen(template: str, number: int) -> str:
    def pick(found: re.Match[str]) -> str:
        return found[1].split("‖")[number]

    return re.sub(r"⟦(.*?)⟧", pick, template, flags=re.DOTALL)


CNN = """
class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1⟦A⟧)
        self.bn1 = nn.BatchNorm2d(16⟦B⟧)
        self.conv2 = nn.Conv2d(16, 32, 3⟦C⟧)
        self.act = ⟦D⟧
        self.drop = nn.Dropout(⟦E⟧)
        self.fc = nn.Linear(32, classes)
    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = ⟦P⟧
        x = self.act(self.conv2(x))
        x = ⟦M⟧
        ⟦X⟧return self.fc(self.drop(x))
"""
_IMAGE = "1x3x16x16"
_USUAL = {"A": "", "B": "", "C": "", "D": "nn.ReLU()", "E": "0.5", "P": "F.max_pool2d(x, 2)",
          "M": "x.mean((2, 3))", "X": ""}  # fmt: skip


def _cnn(**changed: tuple[str, str]) -> str:
    text = CNN
    for slot, usual in _USUAL.items():
        old, new = changed.get(slot, (usual, usual))
        text = text.replace(f"⟦{slot}⟧", f"⟦{old}‖{new}⟧" if old != new else old)
    return text


def _change(name: str, slot: str, old: str, new: str, loads: bool = True) -> Pair:
    return Pair(name, _cnn(**{slot: (old, new)}), "changed", loads, False, input=_IMAGE)


def _same(name: str, slot: str, old: str, new: str, verdict: str = "same-function") -> Pair:
    return Pair(name, _cnn(**{slot: (old, new)}), verdict, True, True, input=_IMAGE)


SETTINGS = [
    _change("stride", "C", "", ", stride=2"),
    _change("padding-mode", "C", ", padding=1", ", padding=1, padding_mode='reflect'"),
    _change("dilation", "C", ", padding=1", ", padding=2, dilation=2"),
    _change("eps", "B", "", ", eps=1e-3"),
    _change("eps-small", "B", "", ", eps=1e-6"),
    _change("momentum", "B", "", ", momentum=0.01"),
    _change("dropout-p", "E", "0.5", "0.2"),
    _change("pool-kernel", "P", "F.max_pool2d(x, 2)", "F.max_pool2d(x, 3)"),
    _change("pool-kind", "P", "F.max_pool2d(x, 2)", "F.avg_pool2d(x, 2)"),
    _change("pool-ceil", "P", "F.max_pool2d(x, 3)", "F.max_pool2d(x, 3, ceil_mode=True)"),
    _change("slope", "D", "nn.LeakyReLU(0.1)", "nn.LeakyReLU(0.2)"),
    _change("relu6", "D", "nn.ReLU()", "nn.ReLU6()"),
    _change("gelu-tanh", "D", "nn.GELU()", "nn.GELU(approximate='tanh')"),
    _change("silu", "D", "nn.ReLU()", "nn.SiLU()"),
    _change("hardtanh", "D", "nn.Hardtanh(-1, 1)", "nn.Hardtanh(-2, 2)"),
    _change("threshold", "D", "nn.Threshold(0.1, 0)", "nn.Threshold(0.1, 0.1)"),
    _change("elu-alpha", "D", "nn.ELU()", "nn.ELU(0.5)"),
    _change("scale", "M", "x.mean((2, 3))", "x.mean((2, 3)) * 0.5"),
    _change("offset", "M", "x.mean((2, 3)) + 0.1", "x.mean((2, 3)) + 0.2"),
    _change("max-for-mean", "M", "x.mean((2, 3))", "x.amax((2, 3))"),
    _change("sum-for-mean", "M", "x.mean((2, 3))", "x.sum((2, 3))"),
    _change("mean-axis", "M", "x.mean(3).mean(2)", "x.mean(3).amax(2)"),
    _change("clamp", "M", "x.mean((2, 3)).clamp(max=50)", "x.mean((2, 3)).clamp(max=60)"),
    _change("clamp-min", "M", "x.mean((2, 3)).clamp(min=1e-3)", "x.mean((2, 3)).clamp(min=1e-4)"),
    _change("last-for-first", "M", "x.flatten(2)[:, :, 0]", "x.flatten(2)[:, :, -1]"),
    _change("normalize", "M", "x.mean((2, 3))", "F.normalize(x.mean((2, 3)))"),
    _change("normalize-p", "M", "F.normalize(x.mean((2, 3)))", "F.normalize(x.mean((2, 3)), p=1)"),
    _change("detach", "M", "x.mean((2, 3))", "x.mean((2, 3)).detach()"),
    _change("interpolate", "P", "F.interpolate(x, scale_factor=2)",
            "F.interpolate(x, scale_factor=2, mode='bilinear')"),
    _change("align-corners", "P", "F.interpolate(x, scale_factor=2, mode='bilinear')",
            "F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True)"),
    _change("pad", "P", "F.pad(x, (1, 1, 1, 1))", "F.pad(x, (1, 1, 1, 1), mode='replicate')"),
    _change("pad-value", "P", "F.pad(x, (1, 1, 1, 1))", "F.pad(x, (1, 1, 1, 1), value=1.0)"),
    _change("flip", "P", "x", "x.flip(3)"),
    _change("roll", "P", "x.roll(1, 3)", "x.roll(-1, 3)"),
    _change("always-dropout", "M", "F.dropout(x.mean((2, 3)), 0.3, self.training)",
            "F.dropout(x.mean((2, 3)), 0.3)"),
    _change("train-branch", "M", "x.mean((2, 3))",
            "x.mean((2, 3)) if self.training else x.amax((2, 3))"),
    _change("pool-stride", "P", "F.max_pool2d(x, 3, 2)", "F.max_pool2d(x, 3, 3)"),
    _change("count-pad", "P", "F.avg_pool2d(x, 3, 2, 1)",
            "F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)"),
    Pair("affine", _cnn(B=("", ", affine=False")), "changed", False, False, (), _IMAGE),
    Pair("bias", _cnn(C=("", ", bias=False")), "changed", False, False, (), _IMAGE),
    Pair("groups", _cnn(C=("", ", groups=2")), "changed", False, None, (), _IMAGE),
    Pair("no-tracking", _cnn(B=("", ", track_running_stats=False")), "changed", False, False, (),
         _IMAGE),
]  # fmt: skip

WRITTEN = [
    _same("functional-act", "D", "nn.ReLU()", "F.relu", "identical"),
    _same("functional-leaky", "D", "nn.LeakyReLU(0.1)", "lambda x: F.leaky_relu(x, 0.1)", "identical"),
    _same("torch-relu", "D", "F.relu", "torch.relu", "identical"),
    _same("inplace", "D", "nn.ReLU()", "nn.ReLU(inplace=True)", "identical"),
    _same("pool-module", "P", "F.max_pool2d(x, 2)", "nn.MaxPool2d(2)(x)", "identical"),
    _same("pool-stride-said", "P", "F.max_pool2d(x, 2)", "F.max_pool2d(x, 2, 2)", "identical"),
    _same("adaptive-mean", "M", "x.mean((2, 3))", "F.adaptive_avg_pool2d(x, 1).flatten(1)"),
    _same("mean-twice", "M", "x.mean((2, 3))", "x.mean(3).mean(2)"),
    _same("torch-mean", "M", "x.mean((2, 3))", "torch.mean(x, dim=(2, 3))", "identical"),
    _same("view-flatten", "M", "F.adaptive_max_pool2d(x, 1).view(x.size(0), -1)",
          "F.adaptive_max_pool2d(x, 1).flatten(1)"),
    _same("squeeze", "M", "F.adaptive_max_pool2d(x, 1).flatten(1)",
          "F.adaptive_max_pool2d(x, 1).squeeze(-1).squeeze(-1)"),
    _same("dropout-f", "M", "nn.Dropout(0.3)(x.mean((2, 3))) if self.training else x.mean((2, 3))",
          "F.dropout(x.mean((2, 3)), 0.3, self.training)"),
    _same("identity", "M", "x.mean((2, 3))", "nn.Identity()(x.mean((2, 3)))", "identical"),
    _same("assert", "X", "", "assert x.ndim == 2\n        ", "identical"),
    _same("half", "M", "x.mean((2, 3)) * 0.5", "x.mean((2, 3)) / 2"),
    _same("add-torch", "M", "x.mean((2, 3)) + 1", "torch.add(x.mean((2, 3)), 1)", "identical"),
    _same("self-add", "M", "x.mean((2, 3)) * 2", "x.mean((2, 3)) + x.mean((2, 3))"),
    _same("sigmoid-silu", "D", "nn.SiLU()", "lambda x: x * torch.sigmoid(x)"),
    _same("clamp-relu", "D", "nn.ReLU()", "lambda x: x.clamp(min=0)"),
    _same("relu6-hardtanh", "D", "nn.ReLU6()", "nn.Hardtanh(0, 6)"),
    _same("hswish", "D", "nn.Hardswish()", "lambda x: x * F.relu6(x + 3) / 6"),
    _same("pad-in-pool", "P", "F.max_pool2d(x, 3, 2, 1)", "F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)"),
    _same("docstring", "X", "", "'''Words.'''\n        ", "identical"),
    _same("default-said", "C", "", ", stride=1, padding=0, bias=True", "identical"),
    _same("tuple-said", "C", ", padding=1", ", padding=(1, 1)", "identical"),
]  # fmt: skip


def _net(init: str, forward: str, before: str = "") -> str:
    head = "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    body = "".join(f"        {line}\n" for line in init.strip().splitlines())
    rest = "".join(f"        {line}\n" for line in forward.strip().splitlines())
    return f"{before}\n{head}{body}    def forward(self, x):\n{rest}"


def _two(name: str, old: str, new: str, verdict: str, loads: bool, equal: bool | None,
         renames: tuple[tuple[str, str], ...] = (), input: str = "") -> Pair:  # fmt: skip
    return Pair(name, f"⟦{old}‖{new}⟧", verdict, loads, equal, renames, input)


_MLP = _net(
    "self.fc1 = nn.Linear(20, 32)\nself.fc2 = nn.Linear(32, 32)\nself.fc3 = nn.Linear(32, 4)",
    "x = F.relu(self.fc1(x))\nx = F.relu(self.fc2(x))\nreturn self.fc3(x)",
)
_BLOCK = """
class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(c)
    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))
"""
_FLAT = _net(
    "self.stem = nn.Conv2d(3, 8, 3)\nself.conv1 = nn.Conv2d(8, 8, 3, padding=1, bias=False)\n"
    "self.bn1 = nn.BatchNorm2d(8)\nself.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)\n"
    "self.bn2 = nn.BatchNorm2d(8)\nself.head = nn.Conv2d(8, 2, 1)",
    "x = self.stem(x)\nx = F.relu(self.bn1(self.conv1(x)))\nx = F.relu(self.bn2(self.conv2(x)))\n"
    "return self.head(x)",
)
_BLOCKS = _net(
    "self.stem = nn.Conv2d(3, 8, 3)\nself.blocks = nn.Sequential(Block(8), Block(8))\n"
    "self.head = nn.Conv2d(8, 2, 1)",
    "return self.head(self.blocks(self.stem(x)))",
    _BLOCK,
)
_ATTENTION = """
class Attention(nn.Module):
    def __init__(self, dim=32, heads=4):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
    def forward(self, x):
        b, n, c = x.shape
        q, k, v = (f(x).view(b, n, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        BODY
        return self.out(x.transpose(1, 2).reshape(b, n, c))
"""
_SOFT = """a = (q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5
        x = a.softmax(-1) @ v"""
_EINSUM = """a = torch.einsum('bhid,bhjd->bhij', q, k) / math.sqrt(c // self.heads)
        x = torch.einsum('bhij,bhjd->bhid', torch.softmax(a, dim=-1), v)"""
_FUSED = "x = F.scaled_dot_product_attention(q, k, v)"
_MASKED = """a = (q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5
        m = torch.ones(n, n, dtype=torch.bool).tril()
        x = a.masked_fill(~m, float('-inf')).softmax(-1) @ v"""
_TWO = "self.a = nn.Linear(16, 8)\nself.b = nn.Linear(16, 8)\nself.c = nn.Linear(16, 4)"
_INPUT = "2x5x32"


def _attention(body: str) -> str:
    return _ATTENTION.replace("BODY", body)


STRUCTURE = [
    _two("attributes-sequential", _MLP, _net(
        "self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), "
        "nn.Linear(32, 4))", "return self.net(x)"), "same-function", False, True,
        (("fc1", "net.0"), ("fc2", "net.2"), ("fc3", "net.4"))),
    _two("attributes-list", _MLP, _net(
        "self.layers = nn.ModuleList([nn.Linear(20, 32), nn.Linear(32, 32)])\n"
        "self.head = nn.Linear(32, 4)",
        "for layer in self.layers:\n    x = layer(x).relu()\nreturn self.head(x)"),
        "same-function", False, True,
        (("fc1", "layers.0"), ("fc2", "layers.1"), ("fc3", "head"))),
    _two("renamed-one", _MLP, _MLP.replace("fc3", "head"), "same-function", False, True,
         (("fc3", "head"),)),
    _two("renamed-class", _MLP, _MLP.replace("class Net", "class Mlp"), "identical", True, True),
    _two("reordered-registration", _MLP, _net(
        "self.fc3 = nn.Linear(32, 4)\nself.fc2 = nn.Linear(32, 32)\nself.fc1 = nn.Linear(20, 32)",
        "x = F.relu(self.fc1(x))\nx = F.relu(self.fc2(x))\nreturn self.fc3(x)"),
        "identical", True, True),
    _two("wrapped-in-blocks", _FLAT, _BLOCKS, "same-function", False, True,
         (("conv1", "blocks.0.conv"), ("bn1", "blocks.0.bn"), ("conv2", "blocks.1.conv"),
          ("bn2", "blocks.1.bn"))),
    _two("taken-out-of-blocks", _BLOCKS, _FLAT, "same-function", False, True,
         (("blocks.0.conv", "conv1"), ("blocks.1.bn", "bn2"))),
    _two("prefix", _BLOCKS, _BLOCKS.replace("self.blocks", "self.body"), "same-function", False,
         True, (("blocks", "body"),)),
    _two("sequential-to-loop", _BLOCKS, _BLOCKS.replace(
        "nn.Sequential(Block(8), Block(8))", "nn.ModuleList(Block(8) for _ in range(2))").replace(
        "return self.head(self.blocks(self.stem(x)))",
        "x = self.stem(x)\n        for b in self.blocks:\n            x = b(x)\n"
        "        return self.head(x)"), "identical", True, True),
    _two("one-block-more", _BLOCKS, _BLOCKS.replace("Block(8), Block(8)", "Block(8), Block(8), Block(8)"),
         "changed", False, False),
    _two("inserted-dropout", _net("self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), "
        "nn.Linear(32, 4))", "return self.net(x)"), _net(
        "self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4))",
        "return self.net(x)"), "changed", False, False, (("net.2", "net.3"),)),
    _two("inserted-identity", _net("self.net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), "
        "nn.Linear(8, 8))", "return self.net(x)"), _net(
        "self.net = nn.Sequential(nn.Linear(8, 8), nn.Identity(), nn.Linear(8, 8), nn.Linear(8, 8))",
        "return self.net(x)"), "same-function", False, True,
        (("net.1", "net.2"), ("net.2", "net.3"))),
    _two("names-cross", _net(_TWO, "return self.c(torch.cat([self.a(x), self.b(x)], 1))"),
         _net(_TWO, "return self.c(torch.cat([self.b(x), self.a(x)], 1))"), "changed", True, False),
    _two("list-order", _net(_TWO, "a, b = self.a(x), self.b(x)\nreturn self.c(torch.cat([a, b], 1))"),
         _net(_TWO, "b, a = self.b(x), self.a(x)\nreturn self.c(torch.cat([a, b], 1))"),
         "identical", True, True),
    _two("sub-order", _net(_TWO, "return self.a(x) - self.b(x)"),
         _net(_TWO, "return self.b(x) - self.a(x)"), "changed", True, False),
    _two("add-order", _net(_TWO, "return self.a(x) + self.b(x)"),
         _net(_TWO, "return self.b(x) + self.a(x)"), "identical", True, True),
    _two("chunk-halves", _net("self.a = nn.Linear(16, 8)", "a, b = self.a(x).chunk(2, -1)\n"
         "return a * b.sigmoid()"), _net("self.a = nn.Linear(16, 8)",
         "a, b = self.a(x).chunk(2, -1)\nreturn b * a.sigmoid()"), "changed", True, False),
    _two("chunk-slices", _net("self.a = nn.Linear(16, 8)", "a, b = self.a(x).chunk(2, -1)\n"
         "return a * b.sigmoid()"), _net("self.a = nn.Linear(16, 8)",
         "h = self.a(x)\nreturn h[..., :4] * h[..., 4:].sigmoid()"), "same-function", True, True),
    _two("glu", _net("self.a = nn.Linear(16, 8)", "a, b = self.a(x).chunk(2, -1)\n"
         "return a * b.sigmoid()"), _net("self.a = nn.Linear(16, 8)", "return F.glu(self.a(x))"),
         "same-function", True, True),
    _two("einsum", _attention(_SOFT), _attention(_EINSUM), "same-function", True, True, input=_INPUT),
    _two("sdpa", _attention(_SOFT), _attention(_FUSED), "same-function", True, True, input=_INPUT),
    _two("scale-lost", _attention(_SOFT), _attention(_SOFT.replace(" * (c // self.heads) ** -0.5", "")),
         "changed", True, False, input=_INPUT),
    _two("softmax-dim", _attention(_SOFT), _attention(_SOFT.replace("softmax(-1)", "softmax(-2)")),
         "changed", True, False, input=_INPUT),
    _two("mask", _attention(_SOFT), _attention(_MASKED), "changed", True, False, input=_INPUT),
    _two("mask-shifted", _attention(_MASKED), _attention(_MASKED.replace("tril()", "tril(1)")),
         "changed", True, False, input=_INPUT),
    _two("causal-fused", _attention(_MASKED), _attention(_FUSED.replace("v)", "v, is_causal=True)")),
         "same-function", True, True, input=_INPUT),
    _two("heads", _attention(_SOFT), _attention(_SOFT).replace("heads=4", "heads=8"), "changed", True,
         False, input=_INPUT),
    _two("wider", _MLP, _MLP.replace("32", "48"), "changed", False, None),
    _two("classes", _MLP, _MLP.replace("(32, 4)", "(32, 5)"), "changed", False, None),
    _two("layer-removed", _MLP, _MLP.replace("x = F.relu(self.fc2(x))\n        ", ""), "changed", True,
         False),
    _two("unused-layer", _MLP, _MLP.replace("self.fc1 =", "self.spare = nn.Linear(3, 3)\n        self.fc1 ="),
         "same-function", False, True),
    _two("unused-buffer", _MLP, _MLP.replace("self.fc1 =",
         "self.register_buffer('steps', torch.zeros(3))\n        self.fc1 ="), "same-function", False,
         True),
    _two("buffer-values", *(_net("self.a = nn.Linear(16, 8)\nself.register_buffer('w', "
         f"torch.linspace(0, {top}, 8), persistent=False)", "return self.a(x) * self.w")
         for top in (1, 2)), "changed", True, False),
    _two("buffer-persistent", *(_net("self.a = nn.Linear(16, 8)\nself.register_buffer('w', "
         f"torch.linspace(0, 1, 8), persistent={p})", "return self.a(x) * self.w")
         for p in (True, False)), "same-function", False, True),
    _two("constant-in-forward", *(_net("self.a = nn.Linear(16, 8)",
         f"return self.a(x) * torch.arange({n}, {n} + 8)") for n in (0, 1)), "changed", True, False),
    _two("parameter-renamed", *(_net(f"self.{n} = nn.Parameter(torch.zeros(1, 16))\n"
         "self.a = nn.Linear(16, 8)", f"return self.a(x + self.{n})") for n in ("pos", "pos_embed")),
         "same-function", False, True, (("pos", "pos_embed"),)),
    _two("tied", *(_net("self.emb = nn.Linear(8, 8, bias=False)\nself.out = nn.Linear(8, 8, "
         f"bias=False)\n{t}", "return self.out(self.emb(x).relu())")
         for t in ("pass", "self.out.weight = self.emb.weight")), "changed", True, False),
    _two("norm-moved", *(_net("self.conv = nn.Conv2d(3, 8, 3)\nself.bn = nn.BatchNorm2d(8)",
         f"return {e}") for e in ("self.bn(self.conv(x)).relu()", "self.bn(self.conv(x).relu())")),
         "changed", True, False),
    _two("norm-added", *(_net(f"self.conv = nn.Conv2d(3, 8, 3)\n{n}", f"return {e}") for n, e in (
         ("pass", "self.conv(x).relu()"), ("self.bn = nn.BatchNorm2d(8)", "self.bn(self.conv(x)).relu()"))),
         "changed", False, False),
    _two("norm-kind", *(_net(f"self.conv = nn.Conv2d(3, 8, 3)\nself.n = {n}",
         "return self.n(self.conv(x)).relu()") for n in ("nn.BatchNorm2d(8)", "nn.GroupNorm(2, 8)")),
         "changed", False, False),
    _two("group-number", *(_net(f"self.conv = nn.Conv2d(3, 8, 3)\nself.n = nn.GroupNorm({n}, 8)",
         "return self.n(self.conv(x)).relu()") for n in (2, 4)), "changed", True, False),
    _two("encoder-norm-first", *(_net("self.l = nn.TransformerEncoderLayer(32, 4, 64, "
         f"batch_first=True, norm_first={f})", "return self.l(x)") for f in (False, True)), "changed",
         True, False, input=_INPUT),
    _two("encoder-activation", *(_net("self.l = nn.TransformerEncoderLayer(32, 4, 64, "
         f"batch_first=True, activation='{f}')", "return self.l(x)") for f in ("relu", "gelu")),
         "changed", True, False, input=_INPUT),
    _two("mha-heads", *(_net(f"self.l = nn.MultiheadAttention(32, {h}, batch_first=True)",
         "return self.l(x, x, x)[0]") for h in (2, 4)), "changed", True, False, input=_INPUT),
    _two("lstm-direction", *(_net("self.l = nn.LSTM(32, 16, batch_first=True)",
         f"return self.l({e})[0]") for e in ("x", "x.flip(1)")), "changed", True, False, input=_INPUT),
    _two("lstm-layers", *(_net(f"self.l = nn.LSTM(32, 16, {n}, batch_first=True)",
         "return self.l(x)[0]") for n in (1, 2)), "changed", False, False, input=_INPUT),
    _two("lstm-last", *(_net("self.l = nn.LSTM(32, 16, batch_first=True)",
         f"return self.l(x)[0][:, {n}]") for n in (-1, 0)), "changed", True, False, input=_INPUT),
    _two("lstm-hidden", *(_net("self.l = nn.LSTM(32, 16, batch_first=True)", e) for e in (
         "return self.l(x)[0][:, -1]", "_, (h, c) = self.l(x)\nreturn h[-1]")), "same-function", True,
         True, input=_INPUT),
    _two("helper-function", _MLP, "def act(x):\n    return F.relu(x)\n" + _MLP.replace(
         "F.relu(self.fc1(x))", "act(self.fc1(x))"), "identical", True, True),
    _two("base-class", _MLP, "class Base(nn.Module):\n    def forward(self, x):\n"
         "        return self.head(self.features(x))\n" + _MLP.replace("nn.Module", "Base").replace(
         "def forward", "def features").replace("return self.fc3(x)", "return x").replace(
         "self.fc3 =", "self.head ="), "same-function", False, True, (("fc3", "head"),)),
    _two("custom-norm-module", *(_net("self.a = nn.Linear(16, 8)\nself.n = RMSNorm(8)",
         "return self.n(self.a(x))", f"""
class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps
    def forward(self, x):
        return {e}
""") for e in ("x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight",
               "x / (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt() * self.weight")),
         "same-function", True, True),
    _two("custom-norm-changed", *(_net("self.a = nn.Linear(16, 8)\nself.n = RMSNorm(8)",
         "return self.n(self.a(x))", f"""
class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps
    def forward(self, x):
        return {e}
""") for e in ("x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight",
               "x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * (1 + self.weight)")),
         "changed", True, False),
    _two("two-outputs", *(_net("self.a = nn.Linear(16, 8)", f"h = self.a(x)\nreturn {e}")
         for e in ("h", "h, h.relu()")), "changed", True, False),
    _two("tuple-list", *(_net("self.a = nn.Linear(16, 8)", f"h = self.a(x)\nreturn {e}")
         for e in ("(h, h.relu())", "[h, h.relu()]")), "identical", True, True),
    _two("frozen", *(_net(f"self.a = nn.Linear(16, 8)\nself.b = nn.Linear(8, 2)\n{e}",
         "return self.b(self.a(x).relu())") for e in (
         "pass", "self.a.requires_grad_(False)")), "changed", True, False),
    _two("dropout-order", *(_net("self.a = nn.Linear(16, 8)\nself.b = nn.Linear(16, 8)\n"
         "self.d, self.e = nn.Dropout(0.5), nn.Dropout(0.1)", f"{e}\nreturn a + b") for e in (
         "a = self.d(self.a(x))\nb = self.e(self.b(x))",
         "b = self.e(self.b(x))\na = self.d(self.a(x))")), "same-function", True, True),
    _two("dropout-place", *(_net("self.a = nn.Linear(16, 8)\nself.d = nn.Dropout(0.5)", f"return {e}")
         for e in ("self.d(self.a(x))", "self.a(self.d(x))")), "changed", True, False),
    _two("dropout-gone", *(_net("self.a = nn.Linear(16, 8)\nself.d = nn.Dropout(0.5)", f"return {e}")
         for e in ("self.d(self.a(x))", "self.a(x)")), "changed", True, False),
    _two("init-only", *(_net(f"self.a = nn.Linear(16, 8)\n{e}", "return self.a(x)") for e in (
         "pass", "nn.init.zeros_(self.a.bias)")), "identical", True, True),
    _two("load-hook", _MLP, _MLP.replace("fc3", "head") + """
    def _load_from_state_dict(self, state, prefix, *rest):
        for k in list(state):
            if k.startswith(prefix + 'fc3.'):
                state[k.replace('fc3', 'head')] = state.pop(k)
        super()._load_from_state_dict(state, prefix, *rest)
""", "same-function", True, True),
    _two("split-qkv", *(_net(i, f) for i, f in (
         ("self.qkv = nn.Linear(32, 96)", "q, k, v = self.qkv(x).chunk(3, -1)\n"
          "return F.scaled_dot_product_attention(q, k, v)"),
         ("self.q, self.k, self.v = (nn.Linear(32, 32) for _ in range(3))",
          "return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))"))),
         "changed", False, None, input=_INPUT),
    _two("residual-lost", *(_net("self.a = nn.Linear(16, 16)", f"return {e}") for e in (
         "x + self.a(x).relu()", "self.a(x).relu()")), "changed", True, False),
    _two("residual-inside", *(_net("self.a = nn.Linear(16, 16)", f"return {e}") for e in (
         "x + self.a(x).relu()", "(x + self.a(x)).relu()")), "changed", True, False),
    _two("shared-layer", *(_net("self.a = nn.Linear(16, 16)\nself.b = nn.Linear(16, 16)",
         f"return {e}") for e in ("self.b(self.a(x).relu())", "self.a(self.a(x).relu())")), "changed",
         True, False),
    _two("several-renames", _BLOCKS, _BLOCKS.replace("self.conv", "self.c").replace("self.bn", "self.n")
         .replace("self.stem", "self.entry"), "same-function", False, True,
         (("stem", "entry"), ("blocks.0.conv", "blocks.0.c"), ("blocks.1.bn", "blocks.1.n"))),
    _two("rename-and-change", _FLAT, _FLAT.replace("self.head", "self.out").replace(
         "return self.out(x)", "return self.out(x) * 2"), "changed", False, False, (("head", "out"),)),
]  # fmt: skip

PAIRS = [*SETTINGS, *WRITTEN, *STRUCTURE]
