"""The models of torch-geometric that hold norms, and its norms and convolutions in small nets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import torch
from torch import nn

from .entry import Entry, Inputs

NODES, FEATURES, EDGES = 24, 16, 60
NORMS = "BatchNorm InstanceNorm LayerNorm GraphNorm GraphSizeNorm PairNorm MeanSubtractionNorm"


def torch_geometric_entries() -> Iterator[Entry]:
    """Its basic networks with each norm, its other models with norms, and layers in small nets."""
    library = importlib.import_module("torch_geometric.nn")
    for model in ("GCN", "GraphSAGE", "GIN", "GAT", "PNA", "EdgeCNN"):
        for norm in ("BatchNorm", "GraphNorm", "LayerNorm", "InstanceNorm"):
            yield Entry(f"{model}-{norm}", _basic(library, model, norm), graph)
    for norm in (*NORMS.split(), "DiffGroupNorm"):
        yield Entry(f"GCNConv-{norm}-GCNConv", _small(library, norm), graph)
    yield from _models(library)
    yield from _layers(library)


def numbers(*shape: int) -> torch.Tensor:
    """Features of nodes or edges."""
    return torch.empty(shape, device="meta")


def indices(*shape: int) -> torch.Tensor:
    """Node numbers of edges, or graph numbers of nodes."""
    return torch.zeros(shape, dtype=torch.long, device="meta")


def graph(model: nn.Module) -> Inputs:
    """Features of nodes, and edges."""
    return (numbers(NODES, FEATURES), indices(2, EDGES)), {}


def _graph_and(*more: torch.Tensor) -> Callable[[nn.Module], Inputs]:
    return lambda model: ((*graph(model)[0], *more), {})


def _basic(library: ModuleType, model: str, norm: str) -> Callable[[], nn.Module]:
    options: dict[str, Any] = {"norm": norm, "norm_kwargs": {}}
    if model == "PNA":
        options |= {"aggregators": ["mean", "max"], "scalers": ["identity"], "deg": torch.ones(5)}

    def build() -> nn.Module:
        network: nn.Module = getattr(library, model)(FEATURES, 32, 3, 4, **options)
        return network

    return build


def _small(library: ModuleType, norm: str) -> Callable[[], nn.Module]:
    sizes: dict[str, tuple[int, ...]] = {"DiffGroupNorm": (32, 4)}
    if norm in ("GraphSizeNorm", "PairNorm", "MeanSubtractionNorm"):
        sizes[norm] = ()

    def build() -> nn.Module:
        steps = [
            (library.GCNConv(FEATURES, 32), "x, edge_index -> x"),
            (getattr(library, norm)(*sizes.get(norm, (32,))), "x -> x"),
            (nn.ReLU(), "x -> x"),
            (library.GCNConv(32, 4), "x, edge_index -> x"),
        ]
        network: nn.Module = library.Sequential("x, edge_index", steps)
        return network

    return build


def _models(library: ModuleType) -> Iterator[Entry]:
    batch = indices(NODES)
    models = library.models
    yield Entry("MLP", lambda: models.MLP([FEATURES, 32, 32, 4]), _features(NODES, FEATURES))
    yield Entry(
        "MLP-act_first",
        lambda: models.MLP([FEATURES, 32, 32, 4], act_first=True),
        _features(NODES, FEATURES),
    )
    yield Entry("PMLP", lambda: models.PMLP(FEATURES, 32, 4, 3), graph)
    yield Entry("SGFormer", lambda: models.SGFormer(FEATURES, 32, 4), _graph_and(batch))
    yield Entry("Polynormer", lambda: models.Polynormer(FEATURES, 32, 4), _graph_and(batch))
    yield Entry("LINKX", lambda: models.LINKX(NODES, FEATURES, 32, 4, 2), graph)
    yield Entry("GPSE", lambda: models.GPSE(), _gpse_batch)
    yield Entry(
        "GPSENodeEncoder",
        lambda: models.GPSENodeEncoder(32, 20, 16, dim_in=FEATURES, expand_x=True),
        lambda model: ((numbers(NODES, FEATURES), numbers(NODES, 20)), {}),
    )
    yield Entry("LPFormer", lambda: models.LPFormer(FEATURES, 32), _nothing)
    yield Entry("GNNFF", lambda: models.GNNFF(32, 32, 2), _molecule)
    yield Entry("ViSNet", lambda: models.ViSNet(), _molecule)
    yield Entry(
        "DeepGCNLayer",
        lambda: models.DeepGCNLayer(
            library.GENConv(32, 32), nn.BatchNorm1d(32), nn.ReLU(), block="res+"
        ),
        lambda model: ((numbers(NODES, 32), indices(2, EDGES)), {}),
    )
    yield Entry("GraphUNet", lambda: models.GraphUNet(FEATURES, 32, 4, 3), graph)


def _layers(library: ModuleType) -> Iterator[Entry]:
    points = (numbers(NODES, FEATURES), numbers(NODES, 3))
    edges = numbers(EDGES, 8)
    yield Entry(
        "CGConv",
        lambda: library.CGConv(FEATURES, 8, batch_norm=True),
        _graph_and(edges),
    )
    yield Entry("GENConv", lambda: library.GENConv(FEATURES, 32, num_layers=3), graph)
    yield Entry(
        "GPSConv", lambda: library.GPSConv(32, library.GCNConv(32, 32), heads=4), _wide_graph
    )
    yield Entry(
        "GINConv",
        lambda: library.GINConv(library.MLP([FEATURES, 32, 32])),
        graph,
    )
    yield Entry(
        "PointNetConv",
        lambda: library.PointNetConv(
            library.MLP([FEATURES + 3, 32, 32]), library.MLP([32, 32, 32])
        ),
        lambda model: ((*points, indices(2, EDGES)), {}),
    )
    yield Entry(
        "PointTransformerConv",
        lambda: library.PointTransformerConv(
            FEATURES, 32, library.MLP([3, 32, 32]), library.MLP([32, 32])
        ),
        lambda model: ((*points, indices(2, EDGES)), {}),
    )
    yield Entry(
        "XConv", lambda: library.XConv(FEATURES, 32, dim=3, kernel_size=4), lambda m: (points, {})
    )
    yield Entry(
        "DenseGINConv",
        lambda: library.DenseGINConv(nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU())),
        lambda model: ((numbers(2, NODES, FEATURES), numbers(2, NODES, NODES)), {}),
    )


def _features(*shape: int) -> Callable[[nn.Module], Inputs]:
    return lambda model: ((numbers(*shape),), {})


def _wide_graph(model: nn.Module) -> Inputs:
    return (numbers(NODES, 32), indices(2, EDGES)), {"batch": indices(NODES)}


def _molecule(model: nn.Module) -> Inputs:
    return (indices(NODES), numbers(NODES, 3), indices(NODES)), {}


def _nothing(model: nn.Module) -> None:
    """Its sparse matrix cannot stand on meta."""


def _gpse_batch(model: nn.Module) -> Inputs:
    data = importlib.import_module("torch_geometric.data")
    held = data.Data(x=numbers(NODES, 20), edge_index=indices(2, EDGES))
    held.batch, held.y, held.y_graph = indices(NODES), numbers(NODES, 51), numbers(1, 11)
    return (held,), {}
