"""What a loss is given: the targets must fit the outputs, and nothing may be applied twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bnlint.domain.finding import Severity
from bnlint.probing.given.loss_calls import calls_of, doubled, misfit
from bnlint.probing.probe_model import probe

X, CLASSES = torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 5


class Weighted(nn.Module):
    """A loss of the user's own, which calls one of torch's."""

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * nn.CrossEntropyLoss(label_smoothing=0.1)(scores, targets)


def _said(loss: Callable[..., Tensor], outputs: Tensor, targets: Tensor) -> tuple[str, str]:
    calls = calls_of(loss, outputs, targets)
    return misfit(calls), doubled(calls)


@pytest.mark.parametrize(
    ("loss", "last", "targets", "said"),
    [
        (functional.cross_entropy, torch.softmax, CLASSES, "passed a softmax"),
        (Weighted(), torch.softmax, CLASSES, "passed a softmax"),
        (functional.cross_entropy, None, CLASSES, ""),
        (functional.cross_entropy, torch.log_softmax, CLASSES, ""),
        (functional.nll_loss, torch.log_softmax, CLASSES, ""),
        (functional.nll_loss, None, CLASSES, "gets scores"),
        (functional.nll_loss, torch.softmax, CLASSES, "gets probabilities"),
    ],
)
def test_what_a_loss_applies_itself(
    loss: Callable[..., Tensor], last: Callable[..., Tensor] | None, targets: Tensor, said: str
) -> None:
    scores = nn.Linear(8, 5)(X)
    misfit_, doubled_ = _said(loss, last(scores, 1) if last else scores, targets)
    assert misfit_ == ""
    assert said in doubled_
    assert bool(said) == bool(doubled_)


def test_a_sigmoid_before_the_loss_that_has_one() -> None:
    outputs, many = nn.Linear(8, 5)(X), functional.one_hot(CLASSES, 5).float()
    loss = functional.binary_cross_entropy_with_logits
    assert _said(loss, outputs, many) == ("", "")
    assert "passed a sigmoid" in _said(loss, outputs.sigmoid(), many)[1]
    assert _said(functional.binary_cross_entropy, outputs.sigmoid(), many) == ("", "")
    assert ".float()" in _said(loss, outputs, many.long())[0]


@pytest.mark.parametrize("loss", [functional.mse_loss, nn.L1Loss(), nn.SmoothL1Loss()])
def test_targets_that_broadcast(loss: Callable[..., Tensor]) -> None:
    outputs, targets = nn.Linear(8, 1)(X), X[:, 0]
    assert "broadcast" in _said(loss, outputs, targets)[0]
    assert _said(loss, outputs[:, 0], targets) == ("", "")
    assert _said(loss, outputs, targets[:, None]) == ("", "")


def test_a_column_of_labels_is_a_finding_and_no_error_of_the_loss() -> None:
    found = probe(nn.Linear(8, 5), X, targets=CLASSES[:, None], loss=functional.cross_entropy)
    finding = found.report.findings[0]
    assert (finding.name, finding.severity) == ("outputs-against-labels", Severity.ERROR)
    assert "squeeze(1)" in finding.message


def test_an_error_of_another_loss_stays_one() -> None:
    def broken(outputs: Tensor, targets: Tensor) -> Tensor:
        raise KeyError("weights")

    assert calls_of(broken, X, CLASSES) == []
