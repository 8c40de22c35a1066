from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import bnlint
from bnlint.domain.errors import ProbeError
from bnlint.probing.given.noise_size import noise_size
from bnlint.probing.probe_model import probe
from tests.unit.probing.nets import ResNet, mlp


class Two(nn.Module):
    """A forward with keyword inputs that returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(4, 6), nn.Linear(5, 6), nn.ReLU()
        self.head = nn.Linear(6, 3)

    def forward(self, left, right=None, *, scale=1.0):
        h = self.a(left) * scale
        if right is not None:
            h = h + self.b(right)
        h = self.act(h)
        return {"logits": self.head(h), "hidden": (h, [h.mean(1)])}


def size(result) -> tuple[int, int]:
    return result.samples, result.batches


def test_tensors_tuples_dicts_and_keywords() -> None:
    left, right, y = torch.randn(20, 4), torch.randn(20, 5), torch.randint(3, (20,))

    def loss(out, target):
        return F.cross_entropy(out["logits"], target)

    assert size(probe(Two(), left)) == (20, 1)
    assert size(probe(Two(), {"left": left, "right": right, "scale": 2.0})) == (20, 1)
    result = probe(Two(), (left, y), loss=loss)
    assert result.objective == "the loss loss"
    kwargs = {"left": left, "right": right, "labels": y}
    assert probe(Two(), kwargs, loss=loss).objective == "the loss loss"
    assert size(probe(Two(), [((left, right), y)] * 2, loss=lambda o, t: o["logits"].sum())) != ()


def test_a_forward_that_takes_one_dict() -> None:
    class One(Two):
        def forward(self, batch):
            return super().forward(batch["left"], batch["right"])

    assert size(probe(One(), {"left": torch.randn(9, 4), "right": torch.randn(9, 5)})) == (9, 1)


def test_named_tuples_keep_their_kind() -> None:
    class Pair(NamedTuple):
        left: torch.Tensor
        right: torch.Tensor

    class Takes(Two):
        def forward(self, pair):
            return super().forward(pair.left, pair.right)

    batch = Pair(torch.randn(9, 4), torch.randn(9, 5))
    assert size(probe(Takes(), [(batch, torch.zeros(9))], loss=lambda o, t: o["logits"].sum()))


def test_loaders_generators_and_callables() -> None:
    x, y = torch.randn(100, 32), torch.randint(10, (100,))
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
    result = probe(mlp(1), loader, loss=F.cross_entropy)
    assert size(result) == (100, 7)
    assert size(probe(mlp(1), loader, loss=F.cross_entropy, samples=30)) == (32, 2)
    assert size(probe(mlp(1), (x[i : i + 10] for i in range(0, 50, 10)))) == (50, 5)
    assert size(probe(mlp(1), lambda: x)) == (100, 1)


def test_files(tmp_path: Path) -> None:
    x = torch.randn(30, 32)
    torch.save(x, tmp_path / "x.pt")
    assert probe(mlp(1), tmp_path / "x.pt").source == "file"
    torch.save({"left": x[:, :4], "right": x[:, :5]}, tmp_path / "d.pt")
    assert size(probe(Two(), str(tmp_path / "d.pt"))) == (30, 1)
    np.savez(tmp_path / "a.npz", np.random.rand(12, 4), np.random.rand(12, 5))
    assert size(probe(Two(), tmp_path / "a.npz")) == (12, 1)
    np.savez(tmp_path / "k.npz", left=np.random.rand(12, 4))
    assert size(probe(Two(), tmp_path / "k.npz")) == (12, 1)


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("bnlint-was-here"),))


def test_a_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Evil(), tmp_path / "evil.pt")
    with pytest.raises(ProbeError, match=r"evil\.pt: cannot be read"):
        probe(mlp(1), tmp_path / "evil.pt")
    assert not (tmp_path / "bnlint-was-here").exists()
    (tmp_path / "damaged.pt").write_text("hello")
    for name in ("evil.pt", "damaged.pt"):
        with pytest.raises(ProbeError) as raised:
            probe(mlp(1), tmp_path / name)
        assert "weights_only" not in str(raised.value)
    with pytest.raises(ProbeError, match="no such file"):
        probe(mlp(1), tmp_path / "none.pt")


def test_noise_where_nothing_is_given() -> None:
    result = probe(mlp(1))
    assert (result.source, result.samples) == ("synthetic", 256)
    assert probe(ResNet(), samples=8).samples == 8
    tokens = nn.Sequential(nn.Embedding(11, 6), nn.Flatten(), nn.Linear(24, 4), nn.ReLU())
    assert probe(tokens, inputs="2x4:int64").samples == 256


def test_losses_of_the_model_and_drawn_ones() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(1)

        def forward(self, x):
            out = self.net(x)
            return {"loss": out.square().mean(), "out": out}

    x = torch.randn(16, 32)
    assert probe(Own(), x).objective == "the loss that the model returns"
    assert probe(mlp(1), x).objective == "cross-entropy with random labels"
    regress = nn.Sequential(nn.Linear(32, 4), nn.ReLU(), nn.Linear(4, 1))
    assert probe(regress, x).objective == "a random projection per sample"


def test_frozen_weights_are_said_to_be_frozen() -> None:
    model = mlp(2)
    model[0].requires_grad_(False)
    rows = {k.layer: k for k in probe(model, torch.randn(16, 32)).kernels}
    assert (rows["0"].trainable, rows["0"].gradient) == (False, None)
    assert rows["2"].gradient
    model.requires_grad_(False)
    result = probe(model, torch.randn(16, 32))
    assert result.notes == ("no gradient: the loss depends on no trainable weight",)
    assert result.activations[0].dead is not None


def test_mixed_precision() -> None:
    result = probe(mlp(2), torch.randn(64, 32), dtype="bfloat16")
    assert {a.dtype for a in result.activations} == {"bfloat16"}
    assert result.dtype == "bfloat16"
    full = probe(mlp(2).double(), torch.randn(64, 32, dtype=torch.float64))
    assert {a.dtype for a in full.activations} == {"float64"}


def test_noise_is_of_the_type_of_the_model() -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        result = probe(mlp(1).to(dtype))
        assert result.activations[0].dtype == str(dtype).removeprefix("torch.")


def test_a_small_loss_does_not_underflow_in_half_precision() -> None:
    def loss(out):
        return out.float().square().mean() * 1e-6

    result = probe(mlp(1).half(), torch.randn(64, 32).half(), loss=loss)
    assert result.kernels[0].gradient
    wide = probe(mlp(1).half().float(), torch.randn(64, 32), loss=loss)
    assert result.kernels[0].gradient == pytest.approx(wide.kernels[0].gradient, rel=0.5)


def test_a_loss_whose_scaled_gradients_overflow_is_not_scaled() -> None:
    def loss(out):
        return out.float().sum() * 200

    result = probe(mlp(1), torch.randn(64, 32), loss=loss, dtype="float16")
    assert any("not scaled" in note for note in result.notes)
    assert result.activations[0].gradient_finite
    assert "non-finite" not in str(result)


def test_a_last_batch_of_one_sample_is_left_out() -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
    data = TensorDataset(torch.randn(65, 8), torch.randint(4, (65,)))
    result = probe(model, DataLoader(data, 32), loss=F.cross_entropy)
    assert size(result) == (64, 2)
    assert any("last batch" in note for note in result.notes)


def test_the_next_epoch_of_a_loader_is_the_one_it_would_have_been() -> None:
    generator = torch.Generator().manual_seed(3)
    data = TensorDataset(torch.randn(100, 32))
    loader = DataLoader(data, 16, shuffle=True, generator=generator)
    before = generator.get_state()
    probe(mlp(1), loader)
    assert torch.equal(generator.get_state(), before)


def test_models_that_no_tracer_takes_and_tied_layers() -> None:
    class Wild(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, x, *rest):
            for _ in range(int(x.abs().sum()) % 2 + 2):
                x = nn.ReLU()(self.layer(x))
            return self.head(x if x.sum() > 0 else -x)

    result = probe(Wild(), torch.randn(32, 8))
    names = [a.layer for a in result.activations]
    assert names == [f"<ReLU {n}>" for n in range(len(names))]
    assert {a.call for a in result.activations} == {0}
    assert len(names) > 1
    assert [k.layer for k in result.kernels] == ["layer", "head"]


def test_checkpointed_parts_are_seen_once() -> None:
    class Saved(nn.Module):
        def __init__(self, reentrant: bool) -> None:
            super().__init__()
            self.body, self.head, self.reentrant = mlp(2), nn.Linear(10, 3), reentrant

        def forward(self, x):
            from torch.utils.checkpoint import checkpoint

            return self.head(checkpoint(self.body, x, use_reentrant=self.reentrant))

    result = probe(Saved(False), torch.randn(16, 32))
    assert [a.layer for a in result.activations] == ["body.1", "body.3"]
    assert result.activations[0].gradient
    again = probe(Saved(True), torch.randn(16, 32).requires_grad_())
    assert len(again.activations) == 2


def test_a_large_model_gets_fewer_samples_of_noise_in_smaller_batches() -> None:
    def size(shape: str, **asked: int) -> tuple[int, int, list[str]]:
        model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=8), nn.ReLU(), nn.Conv2d(4, 2, 3))
        result = probe(model, inputs=shape, **asked)
        return result.samples, result.batches, [n for n in result.notes if "--batch" in n]

    assert size("1x3x32x32") == (256, 1, [])
    samples, batches, notes = size("1x3x512x512")
    assert 32 <= samples < 256
    assert samples / batches < samples
    assert notes == [
        f"{samples} samples of noise, since 256 would take about 121 GB of activations; "
        "choose with --batch"
    ]
    assert size("1x3x512x512", samples=8) == (8, 1, [])


def test_the_traced_graph_tells_what_a_sample_needs() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3, stride=16), nn.ReLU())
    graph = bnlint.trace(model, torch.zeros(2, 3, 224, 224))
    guessed, known = (
        noise_size(of, graph.ref.inputs, torch.device("cpu")).samples for of in (None, graph)
    )
    assert guessed < known == 256
