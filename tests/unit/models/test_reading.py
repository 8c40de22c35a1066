"""What a forward's source says of its arguments, and the values that are guessed from it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnlint.models.guessing.guess import describe
from bnlint.models.guessing.inputs.asked import required_inputs
from bnlint.models.guessing.inputs.of_forward import infer
from bnlint.models.reading.decorated import decorated_revealed
from bnlint.models.reading.read_forward import read_forward


class Net(nn.Module):
    """Parts that the forwards below use."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 2)
        self.words = nn.Embedding(50, 16)
        self.lstm = nn.LSTM(16, 32, 2, batch_first=True)
        self.taps = nn.ModuleList([nn.Conv2d(c, 8, 1) for c in (16, 32, 64)])


class Repeated(Net):
    def forward(self, image: Tensor, times: int) -> Tensor:
        for _ in range(times):
            image = self.conv(image)
        return image


class Phased(Net):
    def forward(self, x, phase):
        if phase in ("finetune", "test"):
            return self.fc(x)
        raise ValueError(phase)


class Flagged(Net):
    def forward(self, x, is_training, with_features, augmented):
        x = self.conv(x) if is_training else x
        if augmented == True:  # noqa: E712
            x = x + 1
        return (x, x) if with_features else x


class Dictionary(Net):
    def forward(self, batch):
        return self.conv(batch["image"]).mean((2, 3)) + self.fc(batch.get("meta"))[:, :1]


class Attributes(Net):
    def forward(self, data):
        h, edges = self.fc(data.x), data.edge_index
        return h.index_add(0, edges[1], h[edges[0]])


class Several(Net):
    def forward(self, features):
        return sum(tap(f).mean() for tap, f in zip(self.taps, features, strict=True))


class Unpacked(Net):
    def forward(self, inputs):
        picture, row = inputs
        return self.conv(picture).mean((2, 3)) + self.fc(row)


class Spread(Net):
    def forward(self, *inputs):
        picture, row = inputs
        return self.conv(picture).mean((2, 3)) + self.fc(row)


class Stateful(Net):
    def forward(self, x, hidden):
        return self.lstm(self.words(x), hidden)


class TwoStates(Net):
    def forward(self, x, h, c):
        return self.lstm(x, (h, c))


class Masked(Net):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x, ignored):
        return self.attention(x, x, x, key_padding_mask=ignored)[0]


class Packed(Net):
    def forward(self, text, lens):
        packed = nn.utils.rnn.pack_padded_sequence(self.words(text), lens.cpu(), batch_first=True)
        return self.lstm(packed)[1][0]


class Losing(Net):
    def forward(self, x, goal):
        return F.cross_entropy(self.fc(x), goal)


class Timed(Net):
    def forward(self, x, t):
        return self.conv(x) * t[:, None, None, None].float()


class Sampling(Net):
    def forward(self, x, samples, times):
        x = self.fc(x).expand(times, 2, -1)
        drawn = torch.zeros(samples * x.size(0), 4)
        return self.fc(drawn.view(samples, 2, 2, -1)), x


class Optional(Net):
    def forward(self, x, mask=None, extra=None):
        x = x if mask is None else x * mask
        return self.conv(x) + extra.mean()


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.rnn = nn.GRU(16, 32)

    def forward(self, text, sizes):
        x = nn.utils.rnn.pack_padded_sequence(self.words(text), sizes.to("cpu"))
        return self.rnn(x)[1]


class Translated(Net):
    """Steps come before the batch; the target's words are read one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader()

    def forward(self, source, sizes, target, ratio=0.5):
        state = self.reader(source, sizes)[0]
        for step in range(1, target.shape[0]):
            word = target[step - 1, :]
            state = state + self.words(word).mean()
        return state


class OnGpu(Net):
    def forward(self, x, CUDA):
        x = self.fc(x)
        return x.cuda() if CUDA else x


class Gathered(Net):
    def forward(self, x, places):
        return torch.index_select(torch.transpose(x, 1, 3), 2, places)


class Keyed(Net):
    def forward(self, **batch):
        if "weight" in batch:
            return self.fc(batch["row"]) * batch.get("weight")
        return self.conv(batch["picture"]).mean((2, 3)) + self.fc(batch["row"])


class ByName(Net):
    def forward(self, picture, *, row):
        return self.conv(picture).mean((2, 3)) + self.fc(row)


class Levels(Net):
    def forward(self, levels: list[Tensor]):
        return self.conv(levels[0])


class Pair(Net):
    def forward(self, both: tuple[Tensor, Tensor] | None):
        return self.conv(both[0]) + self.conv(both[1])


class Sized(nn.Module):
    def forward(self, x):
        return F.interpolate(x, [2 * side for side in x.shape[-2:]])


def quarters(x, step):
    return torch.cat([x[:, :, ::step, ::step], x[:, :, 1::step, 1::step]], 1)


class Helped(nn.Module):
    def forward(self, x):
        return quarters(x, 2)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.cell = nn.Conv2d(3, 8, 3), nn.LSTMCell(8, 24)

    def forward(self, inputs):
        picture, (h, c) = inputs
        return self.cell(self.conv(picture).mean((2, 3)), (h, c))


class Chosen(Net):
    def forward(self, x, domain):
        both = torch.stack([self.fc(x), -self.fc(x)], 1)
        return both[torch.arange(domain.size(0)), domain]


class Joining(nn.Module):
    def forward(self, parts):
        return torch.cat(parts, 1)


class Pooling(nn.Module):
    """A pooling layer says that it reads images, the layer behind it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.pool, self.conv = nn.AdaptiveAvgPool2d(1), nn.Conv1d(1, 1, 3)

    def forward(self, x):
        return x * self.conv(self.pool(x).squeeze(-1).transpose(-1, -2)).mean()


class Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = Net()

    def forward(self, x, y):
        return self.net.conv(x).mean((2, 3)) + self.net.fc(y)


class Backbone(nn.Module):
    """Its part is called by a method that another library has."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Features()

    def features(self, x, y):
        return self.net.forward_features(x, y)

    def forward(self, x, y):
        return self.features(x, y)


class OfItsOwn(nn.Module):
    """Its first layer is not of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(9, 5))

    def forward(self, x):
        return F.linear(x, self.weight)


class Mapped(Net):
    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(nn.ReLU(), OfItsOwn())

    def forward(self, z):
        return self.mapping(z)


def first(model: nn.Module) -> Any:
    guess = infer(model)[0]
    return [shown(value) for value in (*guess.args, *guess.kwargs.values())]


def shown(value: Any) -> Any:
    if isinstance(value, Tensor):
        kind = {torch.long: "long", torch.bool: "bool"}.get(value.dtype, "")
        return (kind, *value.shape) if kind else tuple(value.shape)
    if isinstance(value, SimpleNamespace):
        return {f".{name}": shown(v) for name, v in vars(value).items()}
    if isinstance(value, dict):
        return {key: shown(v) for key, v in value.items()}
    return [shown(v) for v in value] if isinstance(value, (list, tuple)) else value


IMAGE, ROW = (2, 3, 224, 224), (2, 8)
GUESSED = {
    Repeated: [IMAGE, 2],
    Phased: [ROW, "finetune"],
    Flagged: [IMAGE, True, False, False],
    Dictionary: [{"image": IMAGE, "meta": ROW}],
    Attributes: [{".x": ROW, ".edge_index": ("long", 2, 32)}],
    Several: [[(2, 16, 32, 32)] * 3],
    Unpacked: [[IMAGE, ROW]],
    Spread: [IMAGE, ROW],
    Stateful: [("long", 2, 16), [(2, 2, 32), (2, 2, 32)]],
    TwoStates: [(2, 16, 16), (2, 2, 32), (2, 2, 32)],
    Masked: [(2, 16, 16), ("bool", 2, 16)],
    Packed: [("long", 2, 16), ("long", 2)],
    Losing: [ROW, ("long", 2)],
    Timed: [IMAGE, ("long", 2)],
    Sampling: [ROW, 2, 2],
    Optional: [IMAGE, IMAGE],
    Translated: [("long", 2, 16), ("long", 16), ("long", 2, 16)],
    OnGpu: [ROW, False],
    Gathered: [(2, 3, 64, 64), ("long", 2)],
    Mapped: [(2, 5)],
    Recurrent: [[IMAGE, [(2, 24), (2, 24)]]],
    Chosen: [ROW, ("long", 2)],
    Joining: [[(2, 3, 64, 64)] * 2],
    Pooling: [(2, 3, 64, 64)],
    Backbone: [IMAGE, IMAGE],
    Keyed: [ROW, IMAGE],
    ByName: [IMAGE, ROW],
    Levels: [[IMAGE, IMAGE]],
    Pair: [[IMAGE, IMAGE]],
    Sized: [(2, 3, 64, 64)],
    Helped: [(2, 3, 64, 64)],
}


@pytest.mark.parametrize("make", GUESSED, ids=lambda make: make.__name__)
def test_the_first_guess_is_of_the_kind_that_a_forward_uses(make: type[nn.Module]) -> None:
    assert first(make()) == GUESSED[make]


def test_a_model_around_another_one_takes_an_image() -> None:
    class Around(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)

    assert first(Around(nn.Identity())) == [IMAGE]
    assert not any(guess.optional for guess in infer(Around(nn.Identity())))


def test_an_input_of_which_nothing_is_known_need_not_pass() -> None:
    class Square(nn.Module):
        def forward(self, x):
            return x * x

    class Untouched(nn.Module):
        def forward(self, x): ...

    guesses = infer(Square())
    assert [describe(guess).shapes[0] for guess in guesses] == [
        (2, 3, 64, 64),
        (2, 16, 64),
        (2, 64),
    ]
    assert all(guess.optional for guess in guesses)
    assert infer(Untouched()) == ()


def test_lengths_are_numbers_that_the_cpu_can_read() -> None:
    lengths = infer(Packed())[0].args[1]
    assert lengths.device.type == "cpu"
    assert lengths.tolist() == [16, 16]


def test_an_input_that_may_be_none_is_left_out() -> None:
    asked = required_inputs(Optional(), read_forward(Optional()))
    assert [one.name for one in asked] == ["x", "extra"]


class Axes(Net):
    def forward(self, a, b, c, d, e, f):
        _n, _t, _ = a.shape
        assert b.dim() == 4
        c = c.permute(0, 2, 1)
        d = d[:, 0, :, :] + d.size(1)
        e = torch.einsum("bij,bjk->bik", e, e)
        f = f.float().transpose(2, 3)
        return a, b, c, d, e, f


def test_ranks_are_read_from_many_ways_to_write_them() -> None:
    uses = read_forward(Axes())
    assert [use.rank for use in uses.values()] == [3, 4, 3, None, 3, None]
    assert (uses["d"].least_rank, uses["f"].least_rank) == (4, 4)


class Rearranged(Net):
    def forward(self, x, y):
        x = rearrange(x, "b c (h p) (w q) -> b (h w) (p q c)")  # noqa: F821
        return x, rearrange(y, "b ... -> ...")  # noqa: F821


def test_patterns_of_einops_tell_the_rank() -> None:
    assert [use.rank for use in read_forward(Rearranged()).values()] == [4, None]


class Calling(Net):
    """Its arguments are used in a method and in a part."""

    def forward(self, x, mode):
        return self.helper(x, word=mode)

    def helper(self, values, word):
        if word == "fast":
            return self.conv(values)
        n, c, h, w = values.size()
        return values.view(n, c, h * w)


def test_methods_that_a_forward_calls_are_read() -> None:
    uses = read_forward(Calling())
    assert uses["x"].rank == 4
    assert uses["x"].readers[0][0].__class__ is nn.Conv2d
    assert uses["mode"].literals == ["fast"]


def test_a_name_that_was_changed_says_nothing_more() -> None:
    class Changed(Net):
        def forward(self, x):
            x = self.conv(x)
            n, d = x.shape
            return n + d

    assert read_forward(Changed())["x"].rank is None


def test_a_forward_without_source_is_no_error() -> None:
    names: dict[str, Any] = {}
    exec("from torch import nn\nclass A(nn.Module):\n    def forward(self, x): return x", names)
    assert read_forward(names["A"]()) == {}
    assert read_forward(nn.Linear(2, 3)) == {}


class Masked(nn.Module):
    """Changes its batch in a method of its own before a part reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = Entry()

    def with_mask(self, batch):
        batch["values"] = batch["values"] + 1
        return batch

    def with_more(self, batch):
        return {**batch, "more": batch["values"] * 2}


class Plain(Masked):
    def forward(self, batch):
        batch = self.with_mask(batch)
        return self.entry(batch)


class Merged(Masked):
    def forward(self, batch):
        batch = self.with_more(batch)
        return self.entry(batch)


class Entry(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 16)

    def forward(self, batch):
        found = self.table(batch["ids"]) + batch["values"].mean()
        return found * batch["mask"] if "mask" in batch else found


@pytest.mark.parametrize("cls", [Plain, Merged])
def test_a_dict_that_an_own_method_returns_is_followed(cls: type[Masked]) -> None:
    """A key that is asked for is left out."""
    (batch,) = infer(cls())[0].args
    assert set(batch) == {"ids", "values"}
    assert batch["ids"].dtype == torch.long


def test_parts_of_a_list_may_have_names():
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList()
            self.layers.add_module("first", nn.Linear(6, 8))
            self.layers.add_module("second", nn.Linear(8, 4))

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    assert infer(Listed())[0].args[0].shape == (2, 6)


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return {name: function(*args, **kwargs)}[name]

    return wrapper


def test_a_decorated_forward_has_the_arguments_of_what_it_wraps():
    class Decorated(Net):
        @timed
        @timed
        def forward(self, image: Tensor, times: int) -> Tensor:
            for _ in range(times):
                image = self.conv(image)
            return image

    model, known = Decorated(), vars(Decorated.forward).copy()
    with decorated_revealed(model):
        image, times = infer(model)[0].args
    assert vars(Decorated.forward) == known
    assert image.shape[:2] == (2, 3)
    assert type(times) is int
