"""The state of the process is put back, whatever the state was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bnlint.tracing.process_state import default_device, process_state


def test_a_default_device_is_put_back() -> None:
    before = default_device()
    try:
        for device in ("cpu", "meta"):
            torch.set_default_device(device)
            with process_state():
                torch.set_default_device("meta" if device == "cpu" else None)
            assert torch.empty(1).device.type == device
    finally:
        torch.set_default_device(None)
    assert default_device() == before  # which torch 2.4 cannot say any more


SETTINGS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.set_anomaly_enabled(True)),
    "deterministic": (
        torch.get_deterministic_debug_mode,
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    ),
    "precision": (
        torch.get_float32_matmul_precision,
        lambda: torch.set_float32_matmul_precision("high"),
    ),
    "benchmark": (
        lambda: torch.backends.cudnn.benchmark,
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_torch_is_put_back(name: str) -> None:
    read, change = SETTINGS[name]
    before = read()
    with process_state():
        change()
        assert read() != before
    assert read() == before
