"""The state of the process is put back, whatever the state was."""

from __future__ import annotations

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
