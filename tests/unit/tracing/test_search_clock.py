"""Searches for inputs share a clock: it ends them early, and nothing is believed then."""

from __future__ import annotations

import torch
from torch import nn

from bnlint.domain.graph import ModelRef
from bnlint.models.guessing.inputs.of_forward import find_inputs
from bnlint.tracing.model import trace_model
from bnlint.tracing.search_clock import SearchClock


class Clash(nn.Module):
    """Adds 8 channels to 16, whatever the input."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum that fails."""
        x = self.one(x)
        return x + self.two(x)


class Demanding(Clash):
    """Ends with an assertion about its input before anything else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Asks for more than a guess may know."""
        torch._assert(x.shape[1] == 30 and x.shape[2] == 7 * x.shape[3], "bands of 7 rows")
        return self.one(x)


def test_a_clock_that_was_not_started_never_ends() -> None:
    clock = SearchClock(seconds=-1)
    assert list(clock.within([1, 2])) == [1, 2]
    assert not clock.cut


def test_a_search_ends_when_the_time_is_over() -> None:
    clock = SearchClock(seconds=-1)
    clock.start(0)
    assert not list(clock.within([1, 2]))
    assert clock.cut


def test_a_long_first_run_gives_more_time() -> None:
    clock = SearchClock(seconds=-1)
    clock.start(first_run=3600)
    clock.start(first_run=0)  # only the first run counts
    assert not clock.is_over()


def test_a_model_after_one_that_ran_out_of_time_gets_half() -> None:
    assert SearchClock(4).for_next_model().seconds == 4
    assert SearchClock(4, cut=True).for_next_model().seconds == 2


def test_a_failure_is_believed_only_if_the_search_was_not_cut() -> None:
    model = Clash()
    inputs = find_inputs(model, None, ModelRef("", "Clash", "instance"))
    whole = trace_model(model, inputs=inputs)
    assert any(op.error for op in whole.ops)
    assert whole.trace.unfit is None
    cut = trace_model(model, inputs=inputs, clock=SearchClock(seconds=-1))
    assert not any(op.error for op in cut.ops)
    assert cut.trace.unfit is not None
    assert cut.trace.unfit.cut


def test_an_assertion_says_what_a_guess_does_not_know() -> None:
    model = Demanding()
    inputs = find_inputs(model, None, ModelRef("", "Demanding", "instance"))
    graph = trace_model(model, inputs=inputs)
    assert not any(op.error for op in graph.ops)
    assert graph.trace.unfit is not None
    assert "bands of 7 rows" in graph.trace.unfit.reason
