from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bnlint.layers.table import builtin_table
from bnlint.probing.given.batches import Batch
from bnlint.probing.given.placing import available
from bnlint.probing.observation import observe
from bnlint.probing.observing.measure import norm_of
from bnlint.probing.observing.observer import Observer
from bnlint.probing.observing.readings import KernelReading, Transfer, bring
from bnlint.probing.probe_model import probe
from bnlint.probing.session import Session
from bnlint.probing.watch import watch
from bnlint.tracing.forward import WatchedForward
from bnlint.tracing.forward.module_names import Registry
from tests.unit.probing.nets import ResNet, mlp

WAITS = ("_local_scalar_dense", "nonzero", "equal", "item", "is_nonzero", "masked_select")


class Watcher(TorchDispatchMode):
    """Counts what would make an accelerator wait, and every double-precision result."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.doubles: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.name().removeprefix("aten::").split(".")[0]
        if name in WAITS:
            self.waits.append(name)
        if isinstance(out, torch.Tensor) and out.dtype is torch.float64:
            self.doubles.append(name)
        return out


def test_collecting_never_waits_and_has_no_doubles() -> None:
    for model, x in ((mlp(3), torch.randn(16, 32)), (ResNet(), torch.randn(8, 3, 8, 8))):
        observer = Observer(WatchedForward(Registry(model), builtin_table()))
        with Watcher() as watcher:
            with observer.watching():
                out = model(x)
                observer.returned([out])
            torch.autograd.grad(out.square().sum(), list(model.parameters()))
        observer.release()
        assert watcher.waits == []
        assert watcher.doubles == []
        assert len(observer.activations) > 2
        assert all(r.gradients for r in observer.activations)


def test_a_whole_observation_is_one_transfer() -> None:
    model, x = ResNet(), torch.randn(8, 3, 8, 8)
    session = Session(model, torch.device("cpu"), None, None, builtin_table())
    with Watcher() as watcher:
        observe(session, [Batch((x,)), Batch((x,))])
    losses_and_checks = 2 * 2
    assert len(watcher.waits) == losses_and_checks
    assert watcher.doubles == []


def test_collecting_runs_where_nothing_can_be_read_back() -> None:
    """On the meta device any look at a value raises."""
    with torch.device("meta"):
        model, x = ResNet(), torch.randn(8, 3, 8, 8)
    observer = Observer(WatchedForward(Registry(model), builtin_table()))
    with observer.watching():
        out = model(x)
    torch.autograd.grad(out.sum(), list(model.parameters()))
    assert not observer.unseen
    assert {r.maximum.device.type for r in observer.activations} == {"meta"}


@pytest.mark.parametrize("device", available())
def test_every_device_of_this_machine_measures_the_same(device: str) -> None:
    torch.manual_seed(0)
    model, x = ResNet(), torch.randn(32, 3, 8, 8)
    here, there = probe(model, x), probe(model, x, device=device)
    assert there.device.startswith(device)
    for a, b in zip(here.activations, there.activations, strict=True):
        assert (a.layer, a.units) == (b.layer, b.units)
        assert (b.mean, b.std, b.signal) == pytest.approx((a.mean, a.std, a.signal), rel=1e-2)


@pytest.mark.parametrize("device", available())
def test_a_training_on_every_device_is_watched(device: str) -> None:
    model = mlp(2).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with watch(model, every=2, quiet=True) as w:
        for _ in range(5):
            optimizer.zero_grad()
            model(torch.randn(16, 32, device=device)).square().mean().backward()
            optimizer.step()
    assert [step for step, _ in w.results] == [0, 2, 4]
    assert w.last is not None
    assert w.last.loss is not None
    assert all(u.ratio is not None for u in w.last.updates if u.dimensions > 1)


def test_a_watched_step_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device whose copy to the host is still under way."""
    monkeypatch.setattr(Transfer, "ready", False)
    model, x = ResNet(), torch.randn(8, 3, 8, 8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, foreach=True)
    with watch(model, every=9, quiet=True) as w:
        with Watcher() as watcher:
            for _ in range(3):
                model(x).square().mean().backward()
                optimizer.step()
        assert not w.results
    assert watcher.waits == []
    assert w.last is not None
    assert w.last.updates


def test_what_is_sent_is_taken_when_it_is_there() -> None:
    reading = KernelReading("a", "linear", torch.ones(2), norms=[torch.full((), 2.0)])
    sent = Transfer([reading], [torch.ones(())])
    assert sent.ready
    assert sent.finish() == [1.0]
    assert reading.norms == [2.0]


def test_memory_of_a_batch_is_not_kept() -> None:
    model, x = mlp(4, 64), torch.randn(4096, 64)
    observer = Observer(WatchedForward(Registry(model), builtin_table()))
    with observer.watching():
        out = model(x)
    del out
    kept = sum(
        t.untyped_storage().nbytes()
        for r in observer.activations
        for t in (r.before, r.after, r.maximum, r.minimum, r.moments.mean, r.moments.deviations)
        if t is not None
    )
    assert kept < 0.05 * 4 * x.numel() * 4


def test_what_lies_on_several_devices_comes_over_from_each() -> None:
    class Elsewhere(torch.Tensor):
        """Says that it lies on another device, and refuses to be joined with what lies here."""

        @property
        def device(self):
            return torch.device("meta")

    moved = torch.ones(3).as_subclass(Elsewhere)
    reading = KernelReading("a", "linear", torch.ones(2), norms=[torch.ones(())])
    joins: list[int] = []
    plain = torch.cat

    def cat(tensors, *rest):
        joins.append(len(tensors))
        return plain([t.as_subclass(torch.Tensor) for t in tensors], *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "cat", cat)
        assert bring([reading], [moved.sum()]) == [3.0]
    assert joins == [1, 1]


def test_lazy_models_are_probed_as_a_copy() -> None:
    model = nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(3))
    result = probe(model, torch.randn(16, 5))
    assert result.activations[0].units == 8
    assert result.norms[0].channels == 8
    assert isinstance(model[1].running_mean, nn.parameter.UninitializedBuffer)
    assert isinstance(model[0].weight, nn.parameter.UninitializedParameter)


def test_norms_keep_what_is_too_small_or_too_large_to_square() -> None:
    for scale in (1e-38, 1e-30, 1e-12, 1.0, 1e12, 1e30):
        x = torch.randn(4, 9) * scale
        exact = float(x.double().norm())
        assert exact / 6 <= float(norm_of(x)) <= exact * 1.001
    assert float(norm_of(torch.zeros(3))) == 0
    assert float(norm_of(torch.zeros(0))) == 0
    assert not norm_of(torch.tensor([1.0, float("nan")])).isfinite()
    assert not norm_of(torch.tensor([1.0, float("-inf")])).isfinite()


def test_exported_models_are_said_to_be_out_of_sight() -> None:
    exported = torch.export.export(mlp(1), (torch.randn(4, 32),)).module()
    (part,) = probe(exported, torch.randn(4, 32)).not_observable
    assert "exported" in part.reason


def test_compiled_models_are_run_as_they_were_written() -> None:
    model = mlp(2)
    compiled = torch.compile(model, backend="eager")
    assert len(probe(compiled, torch.randn(16, 32)).activations) == 2


def test_scripted_parts_are_not_observable() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.jit.trace(mlp(1), torch.randn(2, 32))
            self.act = nn.ReLU()

        def forward(self, x):
            return self.act(self.inner(x))

    result = probe(Mixed(), torch.randn(16, 32))
    assert [u.layer for u in result.not_observable][:1] == ["inner"]
