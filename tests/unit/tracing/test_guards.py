"""Checks of numbers in a forward: where the numbers are random ones, they do not end it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from bnlint.models.guessing.guess import given
from bnlint.tracing.model import trace_model


def raises(x: torch.Tensor) -> None:
    if torch.isnan(x).any() or not (x > 7).all():
        message = "out of range"
        raise ValueError(message)


def raises_otherwise(x: torch.Tensor) -> None:
    if (x > 9).sum() == 5:
        pass
    else:
        raise ValueError("not five")


def raises_at_both(x: torch.Tensor) -> None:
    if bool((x < 9).any()) and (x < 8).any().item():
        raise ValueError("small")


def asserts(x: torch.Tensor) -> None:
    assert (x > 9).all(), "too small"


def asserts_in_torch(x: torch.Tensor) -> None:
    torch._assert((x > 9).all(), "too small")


def asserts_later(x: torch.Tensor) -> None:
    torch._assert_async((x > 9).all())


def checks(x: torch.Tensor) -> None:
    torch._check_tensor_all(x > 9)


class Checked(nn.Module):
    """Checks what its first layer returns."""

    def __init__(self, check: Callable[[torch.Tensor], None]) -> None:
        super().__init__()
        self.one, self.two, self.check = nn.Linear(4, 6), nn.Linear(6, 2), check

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.one(x)
        self.check(x)
        return self.two(x)


PLAIN = (raises, raises_otherwise, raises_at_both, asserts)
OF_TORCH = (asserts_in_torch, asserts_later, checks)


@pytest.mark.parametrize("check", [*PLAIN, *OF_TORCH])
def test_a_check_of_made_up_numbers_passes(check: Callable[[torch.Tensor], None]) -> None:
    with torch.device("meta"):
        inputs = given(torch.empty(3, 4))
    assert trace_model(Checked(check), inputs=inputs).trace.complete


def test_a_check_of_numbers_that_are_known_does_not() -> None:
    def fails(x: torch.Tensor) -> None:
        if (torch.arange(3) > 5).any() or not (torch.arange(3) > 5).all():
            raise ValueError("never more than five")

    with torch.device("meta"):
        inputs = given(torch.empty(3, 4))
    assert not trace_model(Checked(fails), inputs=inputs).trace.complete
