"""A shape rule for recurrent layers, which torch unrolls step by step on the meta device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bnlint.layers.shapes.shape_rules import for_layers, is_plain_tensor, like

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.nn.utils.rnn import PackedSequence


@for_layers("RNN", "GRU", "LSTM", inputs=2)
def recurrent(layer: nn.RNNBase, x: Any, state: Any = None) -> Any:
    """The output and the last state, for a sequence, a batch of sequences or packed ones."""
    data, batch_of = (x.data, _packed) if hasattr(x, "batch_sizes") else (x, _batch)
    if not is_plain_tensor(data) or not data.ndim or data.shape[-1] != layer.input_size:
        return None
    if (batch := batch_of(layer, x)) is None:
        return None
    width = layer.proj_size or layer.hidden_size
    both = 2 if layer.bidirectional else 1
    lead = (layer.num_layers * both, *batch)
    last = like(data, (*lead, width))
    memory = like(data, (*lead, layer.hidden_size))
    lstm = layer.mode == "LSTM"
    if state is not None and not _suits(state, (last, memory) if lstm else (last,)):
        return None
    output: Any = like(data, (*data.shape[:-1], both * width))
    if data is not x:
        output = type(x)(output, x.batch_sizes, x.sorted_indices, x.unsorted_indices)
    return output, ((last, memory) if lstm else last)


def _batch(layer: nn.RNNBase, x: torch.Tensor) -> tuple[int, ...] | None:
    """The batch axis of the states: none for a single sequence; None for another rank."""
    if x.ndim == 3:
        return (x.shape[0 if layer.batch_first else 1],)
    return () if x.ndim == 2 else None


def _packed(layer: nn.RNNBase, x: PackedSequence) -> tuple[int, ...] | None:
    """The batch axis of the states for packed sequences; None for another rank."""
    if x.data.ndim != 2:
        return None
    if x.sorted_indices is not None:
        return (len(x.sorted_indices),)
    return (int(x.batch_sizes[0]),)


def _suits(state: Any, wanted: tuple[torch.Tensor, ...]) -> bool:
    """True if the given state has the shapes of the one that is returned."""
    given = tuple(state) if isinstance(state, (tuple, list)) else (state,)
    if len(given) != len(wanted) or not all(map(is_plain_tensor, given)):
        return False
    return all(g.shape == w.shape for g, w in zip(given, wanted, strict=True))
