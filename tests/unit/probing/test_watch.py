from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack

from benchmarks.zoo.families.operators import define_torchvision_operators
from bnlint.domain.errors import UsageError
from bnlint.probing.probe_model import probe
from bnlint.probing.watch import watch
from tests.unit.probing.nets import ResNet, mlp


def train(model: nn.Module, steps: int, between=lambda: None) -> list[float]:
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(steps):
        x, y = torch.randn(16, 32), torch.randint(10, (16,))
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        between()
    return losses


def fresh() -> nn.Module:
    torch.manual_seed(0)
    return mlp(3)


def test_training_is_not_changed_and_every_nth_step_is_read() -> None:
    plain, watched = fresh(), fresh()
    expected = train(plain, 7)
    logged = []
    with watch(watched, every=3, log=lambda step, values: logged.append((step, values))) as w:
        assert train(watched, 7) == expected
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True)
    )
    assert [step for step, _ in w.results] == [0, 3, 6]
    assert [step for step, _ in logged] == [0, 3, 6]
    assert "bnlint/dead/1" in logged[0][1]
    assert not watched._forward_hooks
    assert not watched._forward_pre_hooks
    assert all(not p._backward_hooks for p in watched.parameters())


def test_the_numbers_are_those_of_the_step_itself() -> None:
    model = fresh()
    torch.manual_seed(1)
    x, y = torch.randn(16, 32), torch.randint(10, (16,))
    alone = probe(model, x, targets=y, loss=F.cross_entropy)
    with watch(model, every=1) as w:
        F.cross_entropy(model(x), y).backward()
    assert w.last is not None
    assert w.last.activations == alone.activations
    assert [k.gradient for k in w.last.kernels] == pytest.approx(
        [k.gradient for k in alone.kernels]
    )


def test_layers_have_their_names_and_evaluation_is_left_alone() -> None:
    model = ResNet()
    with watch(model, every=1) as w:
        model(torch.randn(4, 3, 8, 8)).sum().backward()
        model.eval()
        model(torch.randn(4, 3, 8, 8))
        model.train()
        with torch.no_grad():
            model(torch.randn(4, 3, 8, 8))
    assert len(w.results) == 1
    assert [a.layer for a in w.last.activations][:2] == ["relu()", "layers.0.relu"]


class Failing(nn.Module):
    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.net, self.error = mlp(1), error

    def forward(self, x):
        self.net(x)
        raise self.error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_forward_leaves_no_mode_behind(error: type[BaseException]) -> None:
    model, call = Failing(error), nn.Module.__call__
    with pytest.raises(error), watch(model, every=1):
        model(torch.randn(4, 32))
    assert not model._forward_hooks
    assert nn.Module.__call__ is call
    assert _get_current_function_mode_stack() == []


def test_a_caught_error_does_not_stop_the_watch() -> None:
    model = fresh()
    with watch(model, every=1) as w:
        with pytest.raises(RuntimeError):
            model(torch.randn(4, 7))
        train(model, 2)
    assert len(w.results) == 2


def test_findings_appear_when_training_goes_wrong() -> None:
    model = fresh()

    def break_it() -> None:
        with torch.no_grad():
            model[2].bias.fill_(-1e4)

    with watch(model, every=1) as w:
        train(model, 2, break_it)
    names = [[f.name for f in r.report.findings] for _, r in w.results]
    assert "gradient-vanishing" not in names[0]
    assert "gradient-vanishing" in names[1]


def test_tensorboard_gets_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with watch(fresh_model := fresh(), every=2, log=tmp_path):
        train(fresh_model, 4)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [e.step for e in events.Scalars("bnlint/dead/1")] == [0, 2]


def test_lightning_trains_and_logs(tmp_path: Path) -> None:
    define_torchvision_operators()  # lightning's metrics import torchvision where there is one
    lightning = pytest.importorskip("lightning")
    from lightning.pytorch.loggers import CSVLogger
    from torch.utils.data import DataLoader, TensorDataset

    from bnlint.probing.lightning import ProbeCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(2)

        def training_step(self, batch, _):
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    data = TensorDataset(torch.randn(64, 32), torch.randint(10, (64,)))
    callback = ProbeCallback(every=3)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback], logger=CSVLogger(tmp_path),
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Module(), DataLoader(data, batch_size=8))
    assert [step for step, _ in callback.results] == [0, 3, 6]
    assert callback.results[0][1].kernels[0].gradient
    assert "bnlint/dead/1" in next(tmp_path.rglob("metrics.csv")).read_text()


def test_a_bad_interval() -> None:
    with pytest.raises(UsageError, match="every=0"):
        watch(fresh(), every=0)


def compiled_by_function(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    wrapper = torch.compile(model, backend="eager")
    return wrapper, wrapper


def compiled_in_place(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    model.compile(backend="eager")
    return model, model


@pytest.mark.parametrize("compiled", [compiled_by_function, compiled_in_place])
def test_compiled_models_are_watched_in_the_steps_that_are_probed(compiled) -> None:
    watched, called = compiled(mlp(2))
    before = vars(watched).get("_compiled_call_impl")
    with watch(watched, every=2) as w:
        for _ in range(3):
            called(torch.randn(16, 32)).square().mean().backward()
    assert [step for step, _ in w.results] == [0, 2]
    assert w.last is not None
    assert [a.layer for a in w.last.activations] == ["1", "3"]
    assert w.last.kernels[0].gradient
    assert vars(watched).get("_compiled_call_impl") is before


def test_a_model_that_is_called_compiled_but_watched_plain_trains_on() -> None:
    model = mlp(1)
    compiled = torch.compile(model, backend="eager")
    with watch(model, every=1):
        compiled(torch.randn(16, 32)).square().mean().backward()
    assert model[0].weight.grad is not None
    assert not model._forward_hooks
