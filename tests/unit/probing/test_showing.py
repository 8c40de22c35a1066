from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bnlint.domain.codec import decode, encode
from bnlint.domain.errors import UsageError
from bnlint.domain.finding import Evidence, Finding, Measurable, Report, Severity
from bnlint.domain.graph import Location
from bnlint.domain.probe import ProbeResult
from bnlint.domain.probe_rows import KernelStats, shown_name
from bnlint.probing.probe_model import probe
from bnlint.probing.showing import exports, pictures, terminal
from bnlint.tracing.model import trace_model
from tests.unit.probing.nets import ResNet, mlp

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def compared():
    torch.manual_seed(0)
    return probe(mlp(3), torch.randn(64, 32), compare=True, steps=2)


def test_every_picture_is_drawn_and_no_label_leaves_the_page(compared, tmp_path: Path) -> None:
    written = compared.save_plots(tmp_path)
    assert [p.name for p in written] == [
        f"{name}.{suffix}" for name in pictures.PLOTS for suffix in ("png", "svg")
    ]
    for name in pictures.PLOTS:
        assert fits(compared.plot(name)), name


def test_long_names_and_many_layers_stay_on_the_page() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a_module_with_a_very_long_name_indeed = nn.ModuleDict(
                {"and_a_child_whose_name_is_long_too": mlp(60, 8)}
            )

        def forward(self, x):
            inner = self.a_module_with_a_very_long_name_indeed
            return inner["and_a_child_whose_name_is_long_too"](x)

    result = probe(Deep(), torch.randn(32, 8))
    assert "of 60 shown" in result.plot("units").get_suptitle()
    for name in pictures.drawable(result):
        assert fits(result.plot(name)), name


def test_a_legend_of_all_variants_fits_a_small_net() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3), nn.ReLU())
    nn.init.constant_(net[0].bias, -30.0)
    result = probe(net, torch.randn(64, 8), compare=True, steps=1)
    figure = result.plot("grad-flow")
    assert len(figure.legends[0].get_texts()) == 4, "as written is the variant after"
    for name in pictures.PLOTS:
        assert fits(result.plot(name)), name


def test_losses_under_zero_are_on_the_picture() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(64, 8)
    result = probe(net, x, compare=True, steps=3, loss=lambda out: out.mean() - 5)
    low, high = result.plot("loss").axes[0].get_ylim()
    curves = [c for v in result.comparison.variants for c in v.curves]
    assert low < min(min(c.losses) for c in curves)
    assert high > max(c.losses[0] for c in curves)


def test_what_the_static_run_found_is_shown_with_its_place_and_its_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at = Location(str(tmp_path / "net.py"), 7, 3)
    evidence = Evidence("4 of 4 units are dead", {})
    static = Finding("BN101", "norm-after-activation", Severity.WARNING, "it stands after", at,
                     "Net", "norm", evidence=evidence)  # fmt: skip
    result = replace(probe(mlp(1), torch.randn(64, 32)), report=Report(findings=(static,)))
    shown = terminal.render(result).splitlines()[-2:]
    assert shown[0] == "net.py:7:3: warning norm-after-activation: it stands after"
    assert shown[1].strip() == "measured: 4 of 4 units are dead"


def test_graphs_in_the_report_do_not_break_the_json() -> None:
    result = probe(mlp(1), torch.randn(64, 32))
    graph = trace_model(mlp(1))
    told = replace(result, report=replace(result.report, graphs=(graph,)))
    assert json.loads(exports.to_json(told))["probe"]["samples"] == 64
    assert exports.named(frozenset({"b", "a"})) == ["a", "b"]


def test_json_leaves_out_what_only_the_engine_and_the_page_need() -> None:
    result = probe(mlp(3), torch.randn(32, 32))
    named = Measurable("stuck-units", (("1", 0),))
    found = Finding("XX101", "a", Severity.INFO, "m", Location("net.py", 1), "", "1")
    report = Report(findings=(replace(found, measurable=named),), graphs=())
    shown = json.loads(exports.to_json(replace(result, report=report)))["probe"]
    assert {"measurable"} == vars_of(Finding) - shown["report"]["findings"][0].keys()
    assert {"graphs"} == vars_of(Report) - shown["report"].keys()
    assert {"call"} == vars_of(KernelStats) - shown["kernels"][0].keys()
    assert shown["activations"][0]["call"] == 0


def vars_of(row: type) -> set[str]:
    return {field.name for field in fields(row)}


def fits(figure) -> bool:
    """True when all that is drawn lies on the page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    low, high = (drawn.x0, drawn.y0), (drawn.x1 - width, drawn.y1 - height)
    return min(low) > -0.01 and max(high) < 0.01


def test_functions_are_named_by_what_feeds_them() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

        def forward(self, x):
            for layer in self.layers:
                x = torch.relu(layer(x))
            return x

    figure = probe(Net(), torch.randn(32, 8)).plot("units")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"layers.{i} -> relu" for i in range(3)]


def test_a_name_with_a_format_is_that_of_files(tmp_path: Path) -> None:
    result = probe(nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(64, 8))
    written = result.save_plots(tmp_path / "net.svg")
    assert [p.name for p in written] == ["net-grad-flow.svg", "net-ridge.svg"]
    assert all(path.exists() for path in written)


def test_all_pictures_have_one_width_and_titles_are_optional(compared) -> None:
    for name in pictures.PLOTS:
        assert compared.plot(name).get_figwidth() == pictures.series.WIDTH
        assert compared.plot(name).get_suptitle()
        assert not compared.plot(name, title=False).get_suptitle()


def test_legends_name_every_series_and_the_zeros() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3), nn.ReLU())
    nn.init.constant_(net[0].bias, -30.0)
    result = probe(net, torch.randn(64, 8), compare=True, steps=1)
    shown = {text.get_text() for text in result.plot("grad-flow").legends[0].get_texts()}
    assert {"without norm", "norm before each activation"} <= shown
    assert any("as written" in label for label in shown)
    assert "exactly zero" in shown
    ridge = {text.get_text() for text in result.plot("ridge").legends[0].get_texts()}
    assert "share of exact zeros" in ridge
    crosses = {
        line.get_color() for line in result.plot("grad-flow").axes[0].lines
        if line.get_marker() == "x" and len(line.get_xdata())
    }  # fmt: skip
    assert crosses <= set(pictures.series.COLOURS.values()), "in the colour of their series"
    assert crosses


def test_losses_have_an_axis_on_which_they_differ(compared) -> None:
    def scale(*ends: float) -> tuple[str, tuple[float, float]]:
        pairs = zip(compared.comparison.variants, ends, strict=True)
        variants = tuple(
            replace(v, curves=tuple(replace(c, losses=(2.31, end)) for c in v.curves))
            for v, end in pairs
        )
        comparison = replace(compared.comparison, variants=variants)
        axis = replace(compared, comparison=comparison).plot("loss").axes[0]
        return axis.get_yscale(), axis.get_ylim()

    kind, (low, high) = scale(2.303, 2.280, 2.29, 2.303)
    assert kind == "linear"
    assert high - low < 0.1
    assert scale(2.303, 0.002, 0.01, 2.303)[0] == "log"


def test_a_label_that_leaves_the_page_is_noticed(compared) -> None:
    figure = compared.plot("units")
    figure.text(0.9, 0.5, "a label that is too long for this place")
    assert not fits(figure)


def test_a_missing_picture_is_named(compared) -> None:
    with pytest.raises(UsageError, match="grad-flow"):
        compared.plot("flow")
    with pytest.raises(UsageError, match="compare"):
        probe(mlp(2), torch.randn(8, 32)).plot("loss")


def test_the_table_names_every_activation_norm_and_finding() -> None:
    result = probe(ResNet(), torch.randn(8, 3, 8, 8))
    shown = str(result)
    for row in (*result.activations, *result.norms):
        assert shown_name(row) in shown
    assert "layers.0.relu" in shown
    assert "stem -> relu" in shown or "relu()" not in shown
    assert "8 samples" in shown
    assert result.objective in shown
    assert "\x1b" not in shown


def test_colour_comes_from_the_caller(compared) -> None:
    shown = terminal.render(compared, lambda t, style: f"<{style}>{t}</>")
    assert "<bold>probe of Sequential</>" in shown


def test_bars_are_exact_to_an_eighth() -> None:
    assert [terminal.bar(s, 2).rstrip() for s in (0, 0.5, 1, 1 / 16, 0.001)] == [
        "",
        "█",
        "██",
        "▏",
        "▏",
    ]
    assert {len(terminal.bar(s / 10)) for s in range(11)} == {terminal.BAR}


def test_the_result_survives_the_pipe_and_json(compared) -> None:
    again = decode(ProbeResult, json.loads(json.dumps(encode(compared))))
    assert encode(again) == encode(compared)
    document = json.loads(compared.to_json())
    assert document["version"] == 1
    assert document["probe"]["activations"][0]["layer"] == "1"
    assert document["probe"]["comparison"]["variants"][1]["name"] == "before"


def test_json_has_no_nan() -> None:
    model = mlp(2)
    with torch.no_grad():
        model[0].weight[0, 0] = float("inf")
    result = probe(model, torch.randn(300, 32))
    assert result.report.findings[0].name == "non-finite"
    assert "NaN" not in result.to_json()
