"""Models whose inputs show in what their forwards do with them, rarely in the source alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


class ComputedKeys(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wanted = ("pitch", "loudness")
        self.layers = nn.ModuleList(nn.Linear(size, 32) for size in (1, 12))
        self.out = nn.Linear(65, 10)

    def forward(self, batch: Any) -> Tensor:
        x = torch.cat([self.layers[i](batch[key]) for i, key in enumerate(self.wanted)], -1)
        return self.out(torch.cat([x, batch["time"]], -1))


def features_of(data: Any) -> tuple[Any, Any]:
    return data.features, data.coordinates


class Attributes(nn.Module):
    """A function reads the attributes, after the batch was moved to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(12, 32), nn.Linear(3, 32)

    def forward(self, data: Any) -> Tensor:
        data = data.to("cuda")
        features, coordinates = features_of(data)
        return self.a(features) + self.b(coordinates)


class _Unpacking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.LSTM(4, 32, batch_first=True)
        self.lane = nn.Linear(6, 32)

    def forward(self, x: Any) -> Tensor:
        x, lanes, doubled = x
        points, times = lanes
        steps, _ = self.steps(x)
        lane = self.lane(torch.cat([points, times], dim=-1)).mean(1)
        out = torch.cat([steps[:, -1], lane], -1)
        return out * 2 if doubled else out


class UnpackedInAPart(nn.Module):
    """The part that unpacks its input is all that the forward names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _Unpacking()

    def forward(self, x: Any) -> Tensor:
        out: Tensor = self.inner(x)
        return out


class ListOfMaps(nn.Module):
    """As many maps as there are settings, which only a loop over those says."""

    def __init__(self) -> None:
        super().__init__()
        self.places = [0, 1, 2, 3]
        self.layers = nn.ModuleList(nn.Conv2d(8, 4, 1) for _ in self.places)

    def forward(self, maps: Any) -> list[Tensor]:
        return [layer(maps[place]) for place, layer in zip(self.places, self.layers, strict=True)]


class OptionalLengths(nn.Module):
    """Training needs what is None by default."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.out = nn.Linear(16, 4)

    def forward(self, words: Tensor, decode_lengths: Any = None) -> Tensor:
        longest = max(decode_lengths)
        x = self.words(words)
        return self.out(x) / longest


class ChosenByWord(nn.Module):
    """A plain dict of settings has the words that an input may be, too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3)
        self.heads = nn.ModuleDict({"boxes": nn.Conv2d(8, 4, 1), "masks": nn.Conv2d(8, 1, 1)})
        self.scales = {"boxes": 2.0, "masks": 1.0}

    def forward(self, x: Tensor, task: Any) -> Tensor:
        return self.heads[task](self.body(x).relu()) * self.scales[task]


class ChosenByKey(nn.Module):
    """Only the dict says which words there are."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = {"short": 2, "long": 4}
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor, length: Any) -> Tensor:
        for _ in range(self.steps[length]):
            x = x.relu()
        return self.out(x)


class ChosenByNumber(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(8, 4) for _ in range(2))

    def forward(self, x: Tensor, number: Any) -> Tensor:
        out: Tensor = self.experts[number](x)
        return out


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.GRU(20, 64)
        self.out = nn.Linear(64, 5)

    def forward(self, sequences: Any) -> Tensor:
        steps, _ = self.steps(sequences)
        padded, _ = pad_packed_sequence(steps)
        out: Tensor = self.out(padded)
        return out


class PackedWords(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 20)
        self.steps = nn.GRU(20, 64)

    def forward(self, sequences: PackedSequence) -> Tensor:
        words = PackedSequence(self.words(sequences.data), sequences.batch_sizes)
        _, state = self.steps(words)
        out: Tensor = state
        return out


class Images:
    """Images of several sizes in one batch, with what is no image masked."""

    def __init__(self, images: Tensor, mask: Tensor) -> None:
        self.images, self.mask = images, mask

    def decompose(self) -> tuple[Tensor, Tensor]:
        return self.images, self.mask


class OfAClass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, samples: Images) -> Tensor:
        images, mask = samples.decompose()
        maps = self.conv(images)
        mask = nn.functional.interpolate(mask[None].float(), size=maps.shape[-2:]).bool()[0]
        return maps.masked_fill(mask[:, None], 0.0)


class Seen(NamedTuple):
    frame: Tensor
    state: Tensor


@dataclass
class Both:
    seen: Seen
    words: Tensor
    note: str = ""


class OfClassesInside(nn.Module):
    """Classes inside each other; one of the parts is only told from others by its type."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.state = nn.Conv2d(3, 8, 3), nn.Linear(12, 8)
        self.words = nn.Embedding(50, 8)

    def forward(self, batch: Both) -> Tensor:
        assert isinstance(batch.seen, Seen)
        frame, state = batch.seen
        seen = self.conv(frame).mean((2, 3)) + self.state(state)
        return seen + self.words(batch.words).mean(1)


class StatedByReshape(nn.Module):
    """Each frame has the size that the forward writes down."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        frame = x[:, :, 0, :, :]
        out: Tensor = self.conv(frame.reshape((len(frame), 2, 96, 96)))
        return out


class WantsAMask(nn.Module):
    """A mask that is None by default is used unasked, as an operand of a product."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.out = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x: Tensor, attn_mask: Any = None, non_pad_mask: Any = None) -> Tensor:
        scores = torch.bmm(self.query(x), x.transpose(1, 2))
        scores = scores.masked_fill(attn_mask, -1.0).softmax(-1)
        out: Tensor = self.out(torch.bmm(scores, x))
        return out * non_pad_mask


class Spread(nn.Module):
    """The parameters of a method say how many items there are."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(6, 16)

    def encode(self, text: Tensor, sound: Tensor, scale: float = 1.0) -> Tensor:
        return self.a(text) + self.b(sound) * scale

    def forward(self, inputs: Any) -> Tensor:
        return self.encode(*inputs)


class SpreadByName(Spread):
    def forward(self, inputs: Any) -> Tensor:
        return self.encode(**inputs)


class Detector(nn.Module):
    """Training refuses to run without targets; images of one size are stacked."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.boxes = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, 4)

    def forward(self, images: list[Tensor], targets: Any = None) -> Any:
        if self.training and targets is None:
            raise ValueError("In training mode, targets should be passed")
        boxes = self.boxes(self.conv(torch.stack(images)).mean((2, 3)))
        if not self.training:
            return boxes
        loss = nn.functional.l1_loss
        return sum(loss(one, own["boxes"].mean(0)) for one, own in zip(boxes, targets))  # noqa: B905


class Graph(nn.Module):
    """A batch of graphs: edges are unpacked, their number is a number, rows have an owner."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.edges = nn.Linear(10, 32), nn.Linear(64, 32)
        self.out = nn.Linear(32, 2)

    def message(self, graph: Any) -> Tensor:
        rows = self.rows(graph.x)
        start, end = graph.edge_index
        edges = self.edges(torch.cat([rows[start], rows[end]], -1))
        return rows.index_add(0, end, edges)

    def forward(self, graph: Any) -> Tensor:
        rows = self.message(graph).relu()
        pooled = torch.zeros(int(graph.num_graphs), 32).index_add(0, graph.batch, rows)
        out: Tensor = self.out(pooled)
        return out


WHOLE: dict[type[nn.Module], tuple[tuple[int, ...], ...]] = {
    ComputedKeys: ((2, 1), (2, 1), (2, 12)),
    Attributes: ((2, 12), (2, 3)),
    UnpackedInAPart: ((2, 16, 4), (2, 16, 3), (2, 16, 3)),
}

MODELS = (
    *(*WHOLE, ListOfMaps, OptionalLengths, ChosenByWord, ChosenByKey, ChosenByNumber, Packed),
    *(PackedWords, OfAClass, OfClassesInside, StatedByReshape, WantsAMask, Spread),
    *(SpreadByName, Detector, Graph),
)


class Table(nn.Module):
    """Words and numbers of one row have other ranks than those that were guessed for them."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.ModuleDict({"city": nn.Embedding(10, 8), "job": nn.Embedding(20, 8)})
        self.numbers, self.out = nn.Linear(4, 16), nn.Linear(32, 1)

    def forward(self, inputs: Any) -> Tensor:
        words = [table(inputs[name]) for name, table in self.words.items()]
        out: Tensor = self.out(torch.cat([*words, self.numbers(inputs["numbers"])], dim=-1))
        return out
