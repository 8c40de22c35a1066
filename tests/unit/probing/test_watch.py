from __future__ import annotations

import csv
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
    assert "signal-collapse" not in names[0]
    assert "signal-collapse" in names[1]


def run(model: nn.Module, steps: int, optimizer=None, batch: int = 64) -> None:
    optimizer = optimizer or torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(torch.randn(batch, 32)), torch.randint(10, (batch,))).backward()
        optimizer.step()


def test_small_batches_prove_a_dead_layer_together() -> None:
    model = fresh()
    nn.init.constant_(model[2].bias, -1e3)
    with watch(model, every=2, quiet=True) as w:
        run(model, 7)
    assert [a.samples for _, r in w.results for a in r.activations[:1]] == [64, 128, 192, 256]
    names = [{f.name for f in r.report.findings} for _, r in w.results]
    assert ["dead-layer" in found for found in names] == [False, False, False, True]


def test_a_unit_that_woke_up_is_not_called_dead_by_what_came_before() -> None:
    model = fresh()
    nn.init.constant_(model[0].bias, -1e3)
    with watch(model, every=1, quiet=True) as w:
        run(model, 2, batch=256)
        nn.init.zeros_(model[0].bias)
        run(model, 1, batch=256)
    assert [r.activations[0].dead == 1 for _, r in w.results] == [True, True, False]
    assert {r.activations[0].samples for _, r in w.results} == {256}


def test_findings_are_told_once_and_not_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        model = fresh()
        nn.init.constant_(model[2].bias, -1e3)
        with watch(model, every=1, quiet=quiet):
            run(model, 6)
        told = capsys.readouterr().err
        dead = [line for line in told.splitlines() if "error dead-layer" in line]
        assert bool(dead) is not quiet
        assert all(line.startswith("step 3: ") for line in dead), "four steps have 256 samples"
        assert len(dead) == len(set(dead))
        assert " info " not in told


def test_the_loss_is_that_of_the_watched_model() -> None:
    model, other = fresh(), fresh()
    logged = []
    with watch(model, every=1, log=lambda _, values: logged.append(values)):
        scores = model(torch.randn(16, 32))
        other(torch.randn(16, 32)).square().sum().backward()
        loss = F.cross_entropy(scores, torch.randint(10, (16,)))
        loss.backward()
    assert logged[0]["bnlint/loss"] == pytest.approx(loss.item())
    assert torch.autograd.backward.__module__.startswith("torch.")


def test_two_watches_at_once_leave_torch_as_it_was() -> None:
    plain = torch.autograd.backward
    one, two = fresh(), fresh()
    first, second = watch(one, every=1, quiet=True), watch(two, every=1, quiet=True)
    first.__enter__()
    second.__enter__()
    loss = (one(torch.randn(4, 32)) + two(torch.randn(4, 32))).square().mean()
    first.flush()  # ends the first one's wait while the second one's goes on
    loss.backward()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.autograd.backward is plain
    assert second.last is not None
    assert second.last.loss == pytest.approx(loss.item())


@pytest.mark.parametrize("how", [{"fused": True}, {"foreach": True}, {"foreach": False}])
def test_the_update_is_that_of_the_optimizer(how) -> None:
    model = fresh()
    logged = []
    before = model[0].weight.detach().clone()
    with watch(model, every=9, log=lambda _, values: logged.append(values)):
        run(model, 1, torch.optim.SGD(model.parameters(), 0.1, **how))
        after = model[0].weight.detach().clone()
        run(model, 3)
    exact = float((after - before).norm() / before.norm())
    assert logged[0]["bnlint/update-over-weight/0"] == pytest.approx(exact, rel=1e-4)
    assert logged[0]["bnlint/unchanged-parameters"] == 0


def test_accumulated_batches_wait_for_the_step() -> None:
    model = fresh()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    logged = []
    with watch(model, every=8, log=lambda step, values: logged.append((step, values))):
        for i in range(9):
            F.cross_entropy(model(torch.randn(16, 32)), torch.randint(10, (16,))).backward()
            if i % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    assert [step for step, _ in logged] == [0, 8]
    assert logged[0][1]["bnlint/update-over-weight/0"] > 0
    assert "bnlint/update-over-weight/0" not in logged[1][1], "no step followed"


def unchanged(result) -> list[str]:
    return [f.message for f in result.report.findings if "did not change" in f.message]


def test_parameters_that_the_optimizer_does_not_hold_are_found() -> None:
    model = fresh()
    held = [p for name, p in model.named_parameters() if not name.startswith("2.")]
    with watch(model, every=1, quiet=True) as w:
        run(model, 3, torch.optim.Adam(held))
    assert unchanged(w.results[0][1]) == [], "the first step of a warm-up may be zero"
    (message,) = unchanged(w.last)
    assert "`2.weight`, `2.bias`" in message
    assert "Pass them to the optimizer" in message


def test_steps_below_the_precision_are_found() -> None:
    model = fresh()
    with watch(model, every=1, quiet=True) as w:
        run(model, 3, torch.optim.SGD(model.parameters(), 1e-12))
    found = [f.message for f in w.last.report.findings if f.name == "update-ratio"]
    assert len(found) == 1
    assert found[0].startswith(("No trainable parameter changed", "5 trainable"))


def test_rows_of_a_table_that_were_not_looked_up_are_no_fault() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.net = nn.Embedding(5000, 32), mlp(1)

        def forward(self, x):
            return self.net(self.table(x))

    model = Words()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, every=1, quiet=True) as w:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.full((8,), 4999)).square().mean().backward()
            optimizer.step()
    assert unchanged(w.last) == []


def test_a_step_as_large_as_the_weight_is_a_warning() -> None:
    model = fresh()
    with watch(model, every=1, quiet=True) as w:
        run(model, 1, torch.optim.Adam(model.parameters(), 1.0))
    found = [f for f in w.last.report.findings if f.name == "update-ratio"]
    assert [f.severity.value for f in found] == ["warning"]
    assert "Lower the learning rate" in found[0].message


def test_numbers_of_layers_and_norms_are_logged() -> None:
    logged = []
    model = nn.Sequential(nn.Linear(32, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))
    with watch(model, every=2, log=lambda _, values: logged.append(values)):
        run(model, 3)
    assert set(logged[1]) >= {
        *("bnlint/loss", "bnlint/std/2", "bnlint/gradient-over-weight/3"),
        *("bnlint/drift-mean/1", "bnlint/drift-variance/1", "bnlint/update-over-weight/0"),
    }
    assert "bnlint/update-over-weight/1" not in logged[1], "of matrices only"


def test_models_without_an_activation_are_watched_for_what_they_have() -> None:
    model = nn.Sequential(nn.Linear(32, 16), nn.Linear(16, 10))
    with watch(model, every=1, quiet=True) as w:
        run(model, 2)
    assert [k.layer for k in w.last.kernels] == ["0", "1"]
    assert w.last.samples == 64


def test_steps_have_the_numbers_of_the_trainer() -> None:
    model, count = fresh(), [1000]
    logged = []
    with watch(model, every=10, log=lambda step, _: logged.append(step), step=lambda: count[0]):
        for _ in range(16):
            run(model, 1)
            count[0] += 2
    assert logged == [1000, 1010, 1020, 1030]


class Run:
    """What a run of Weights & Biases does with what it is given."""

    def __init__(self) -> None:
        self.rows: list[dict] = []
        self.open: dict = {}
        self.axes: dict[str, str] = {}

    def define_metric(self, name: str, step_metric: str) -> None:
        self.axes[name] = step_metric

    def log(self, values: dict, commit: bool = True) -> None:
        self.open |= values
        if commit:
            self.rows.append(self.open)
            self.open = {}


def test_a_run_of_weights_and_biases_keeps_its_own_steps() -> None:
    model, wandb = fresh(), Run()
    with watch(model, every=2, log=wandb):
        for i in range(4):
            run(model, 1)
            wandb.log({"mine": i})
    assert [row["mine"] for row in wandb.rows] == [0, 1, 2, 3]
    assert wandb.axes == {"bnlint/*": "bnlint/step"}
    seen = [row["bnlint/step"] for row in [*wandb.rows, wandb.open] if "bnlint/dead/1" in row]
    assert seen == [0, 2]


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

    losses: list[float] = []

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = mlp(2)

        def training_step(self, batch, _):
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    data = TensorDataset(torch.randn(64, 32), torch.randint(10, (64,)))
    callback = ProbeCallback(every=3)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", callbacks=[callback], logger=CSVLogger(tmp_path),
        enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        enable_checkpointing=False, accumulate_grad_batches=2,
    )  # fmt: skip
    trainer.fit(Module(), DataLoader(data, batch_size=4))
    assert [step for step, _ in callback.results] == [0, 3, 6]
    assert callback.results[0][1].kernels[0].gradient
    with next(tmp_path.rglob("metrics.csv")).open() as file:
        rows = {int(row["step"]): row for row in csv.DictReader(file) if row["bnlint/dead/1"]}
    assert [int(step) for step in rows] == [0, 3, 6]
    assert all(float(row["bnlint/update-over-weight/0"]) > 0 for row in rows.values())
    for step, row in rows.items():
        assert float(row["bnlint/loss"]) == pytest.approx(losses[2 * step], rel=1e-3)


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


def test_wrappers_are_watched_where_torch_cannot_run_them_as_plain_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bnlint.probing.watch.CAN_RUN_EAGER", False)
    wrapper = torch.compile(mlp(2), backend="eager")
    forward = vars(wrapper)["forward"]
    with watch(wrapper, every=2) as w:
        assert vars(wrapper)["forward"] != forward
        for _ in range(3):
            wrapper(torch.randn(16, 32)).square().mean().backward()
    assert [step for step, _ in w.results] == [0, 2]
    assert vars(wrapper)["forward"] is forward


def test_a_model_that_is_called_compiled_but_watched_plain_trains_on() -> None:
    model = mlp(1)
    compiled = torch.compile(model, backend="eager")
    with watch(model, every=1):
        compiled(torch.randn(16, 32)).square().mean().backward()
    assert model[0].weight.grad is not None
    assert not model._forward_hooks
