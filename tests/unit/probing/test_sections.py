"""What a page shows of a probe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bnlint.domain.errors import Mistake, UsageError
from bnlint.domain.finding import Marked
from bnlint.domain.probe import Comparison, Curve, NotObserved, ProbeResult, TrainEvalGap, Variant
from bnlint.domain.probe_rows import ActivationStats, KernelStats, NormStats
from bnlint.probing.showing import pictures
from bnlint.probing.showing.exports import sections
from bnlint.report.formats.html.markup import chapters

ACTIVATION = ActivationStats(
    layer="act",
    kind="relu",
    call=1,
    samples=8,
    units=4,
    mean=-0.0,
    std=1.0,
    minimum=-1.0,
    maximum=1.0,
    largest=1.0,
    dead=0.25,
    always_on=0.0,
    inactive=0.5,
    saturated=None,
    signal=0.9,
    gradient=None,
    finite=True,
    gradient_finite=True,
    dtype="float32",
)
NORM = NormStats("bn", "batchnorm1d", 0, 4, 8, 1e-5, 0.1, 1.0, True, 8, 0.5, 0.3, 1.2, tracked=0)
KERNELS = (KernelStats("one", "linear", 2.0, 1.0), KernelStats("two", "linear", 2.0, None, False))
RESULT = ProbeResult(
    model="Net",
    device="cpu",
    dtype="float32",
    samples=8,
    batches=1,
    source="synthetic",
    objective="cross-entropy",
    loss=1.5,
    activations=(ACTIVATION,),
    norms=(NORM,),
    kernels=KERNELS,
    not_observable=(NotObserved("lstm", "fused"),),
    notes=("the batch was halved",),
    gap=TrainEvalGap(0.4, 0.1),
)
RAN = Variant("none", 0, (ACTIVATION,), KERNELS, (Curve(0.1, (2.0, 1.0)), Curve(0.2, (2.0, 0.5))))
FAILED = Variant("before", 1, (), (), (), "out of memory")


@pytest.fixture(autouse=True)
def stub_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "svg", lambda result, name: f"<svg>{name}</svg>")


def test_a_table_for_each_kind_of_layer() -> None:
    (chapter,) = sections(RESULT)
    rows = {table.title: table.rows for table in chapter.tables}
    act = ("act#2", "relu", "0", "1", 0.25, 0.0, 0.5, None, "0.9", None)
    assert rows["Activations"] == (act,)
    # Statistics that were never tracked have not drifted.
    assert rows["Norms"] == (("bn", "batchnorm1d", "0.1", "1", 0.5, None, None),)
    assert rows["Kernels"][0] == ("one", "linear", "2", "1", "0.5", "2")
    assert rows["Kernels"][1] == ("two", "linear", "2", None, None, None)
    assert rows["Not observable"] == (("lstm", "fused"),)
    for table in chapter.tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_numbers_that_are_faults_stand_out() -> None:
    sick = replace(RESULT.activations[0], dead=0.75)
    (chapter,) = sections(replace(RESULT, activations=(sick,)))
    cells = chapter.tables[0].rows[0]
    assert Marked(0.75, "error") in cells
    page = chapters((chapter,))
    assert 'class="share error fault"' in page
    assert "fault" not in chapters(sections(RESULT))


def test_what_was_done_is_said() -> None:
    said = " ".join(sections(RESULT)[0].lines)
    for part in ("8 samples (synthetic) in 1 batch.", "cross-entropy", "1.5", "halved", "by 10 %"):
        assert part in said


def test_kinds_of_layers_that_are_not_there_have_no_table() -> None:
    (chapter,) = sections(replace(RESULT, norms=(), not_observable=()))
    assert [table.title for table in chapter.tables] == ["Activations", "Kernels"]


def test_the_comparison_is_a_chapter_of_its_own() -> None:
    comparison = Comparison((RAN, FAILED), 30, 8, "cross-entropy", 0)
    _, chapter = sections(replace(RESULT, comparison=comparison))
    (table,) = chapter.tables
    assert table.columns[-2:] == ("after, rate 0.1", "after, rate 0.2")
    assert table.rows[0] == ("none", "0", 0.25, "0.9", None, "2.000", "1.000", "0.5000")
    assert table.rows[1][:2] == ("before", "failed: out of memory")
    assert len(table.rows[1]) == len(table.columns)


def test_without_matplotlib_the_page_says_how_to_get_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(result: ProbeResult, name: str) -> str:
        raise UsageError(Mistake("pictures need matplotlib", hint="pip install it"))

    monkeypatch.setattr(pictures, "svg", refuse)
    (chapter,) = sections(RESULT)
    assert chapter.pictures == ()
    assert "pictures need matplotlib: pip install it" in chapter.lines
    assert chapter.tables
