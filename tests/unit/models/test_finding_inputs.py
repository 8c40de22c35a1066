from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from bnlint.domain.graph import ModelRef, Shape
from bnlint.domain.request import InputSpec
from bnlint.loading.parsing import Source, read
from bnlint.models.guessing.guess import Guesses, choose, describe
from bnlint.models.guessing.inputs.asked import required_inputs
from bnlint.models.guessing.inputs.of_forward import find_inputs, infer
from bnlint.models.meta.known_numbers import numbers_of
from bnlint.models.reading.read_forward import read_forward


def source(code: str) -> Source:
    found = read("/nowhere/net.py", textwrap.dedent(code))
    assert isinstance(found, Source)
    return found


def mined(code: str, call: str = "Net()", model: nn.Module | None = None) -> Guesses:
    ref = ModelRef("/nowhere/net.py", call.partition("(")[0], "class", call)
    return find_inputs(model or nn.Identity(), source(code), ref)


def shapes(given: Guesses) -> tuple[Shape, ...]:
    return describe(given.candidates[0]).shapes if given.candidates else ()


def test_nothing_is_guessed_if_nothing_is_known_of_one_input() -> None:
    class Counting(nn.Module):
        def forward(self, count: int, strange: object) -> list[object]:
            return [strange] * count

    assert infer(Counting()) == ()


MINED = {
    "the model is called": (
        "net = Net()\nx = torch.randn(1, 3, 32, 32)\nnet(x)",
        ((1, 3, 32, 32),),
    ),
    "created in the call": ("net = Net()\nnet(torch.rand((2, 5)))", ((2, 5),)),
    "built and called at once": ("Net()(torch.zeros(size=(4, 5)))", ((4, 5),)),
    "under main": (
        "if __name__ == '__main__':\n    n = 8\n    net = Net().cuda().eval()\n"
        "    y = net(torch.ones(n, 3).cuda())",
        ((8, 3),),
    ),
    "in a function": ("def test():\n    net = Net()\n    net(torch.randn(2, 7))", ((2, 7),)),
    "two inputs": (
        "net = Net()\na, b = torch.randn(2, 3), torch.randint(0, 9, (2, 4))\nnet(a, mask=b)",
        ((2, 3), (2, 4)),
    ),
    "a list of inputs": ("net = Net()\nnet([torch.rand(3, 8, 8)])", ((3, 8, 8),)),
    "numbers": (
        "net = Net()\nnet(torch.Tensor([[1, 2, 3]]), torch.LongTensor([3]), torch.Tensor(2, 3))",
        ((1, 3), (1,), (2, 3)),
    ),
    "summary without a batch": ("net = Net()\nsummary(net, (3, 32, 32))", ((2, 3, 32, 32),)),
    "summary with a batch": ("net = Net()\nsummary(net, input_size=(1, 3, 8, 8))", ((1, 3, 8, 8),)),
    "export": ("net = Net()\ntorch.onnx.export(net, torch.randn(1, 9), 'f')", ((1, 9),)),
    "profile": ("net = Net()\nx = torch.randn(1, 9)\nprofile(net, inputs=(x,))", ((1, 9),)),
}


@pytest.mark.parametrize("name", MINED)
def test_inputs_that_the_file_shows(name: str) -> None:
    code, expected = MINED[name]
    given = mined(code)
    assert given.source == "mined"
    assert shapes(given) == expected


def test_numbers_that_the_file_shows_are_known() -> None:
    given = mined("net = Net()\nnet(torch.rand(2, 9), torch.tensor([9, 4], dtype=torch.int32))")
    lengths = given.candidates[0].args[1]
    assert lengths.dtype == torch.int32
    numbers = numbers_of(lengths)
    assert numbers is not None
    assert numbers.tolist() == [9, 4]


def test_whole_numbers_stay_whole() -> None:
    given = mined("net = Net()\nnet(torch.randint(0, 9, (2, 4)))")
    assert given.candidates[0].args[0].dtype is torch.long


@pytest.mark.parametrize(
    "code",
    [
        "net = Other()\nnet(torch.randn(1, 3))",
        "net = Net()\nnet(load())",
        "net = Net()\nnet(torch.randn(unknown, 3))",
        "net = Net()\nnet(torch.randn(open('x'), 3))",
    ],
)
def test_what_is_not_shown_is_not_mined(code: str) -> None:
    assert mined(code).source == "none"


def test_inputs_of_a_model_built_otherwise_are_only_likely() -> None:
    code = "net = Net(channels=1)\nnet(torch.randn(1, 1, 28, 28))"
    given = mined(code, "Net()", nn.Conv2d(3, 4, 3))
    assert given.source == "inferred"
    assert shapes(given) == ((1, 1, 28, 28),)
    assert len(given.candidates) > 1
    assert mined(code, "Net(channels=1)").source == "mined"


def test_a_name_is_what_was_assigned_to_it_last() -> None:
    code = "net = Net()\nx = torch.rand(1, 3)\nnet(x)\nx = torch.rand(2, 4, 8)\nother(x)"
    assert shapes(mined(code)) == ((1, 3),)
    code = "net = Net()\nx = [torch.rand(1, 3)] * 2\nnet(x)\nx = torch.rand(2, 4, 8)"
    assert shapes(mined(code)) == ((1, 3), (1, 3))
    assert mined("net = Net()\nx = load()\nnet(x)\nx = torch.rand(2, 4)").source == "none"


def test_declared_inputs_win() -> None:
    specs = (InputSpec((1, 3)), InputSpec((1,), "mask", "bool"))
    ref = ModelRef("/nowhere/net.py", "Net", "class", "Net()")
    given = find_inputs(nn.Linear(3, 4), source("Net()(torch.rand(2, 9))"), ref, specs)
    assert given.source == "declared"
    assert describe(given.candidates[0]).dtypes == ("float32", "bool")
    assert given.candidates[0].kwargs["mask"].is_meta


def test_inputs_that_the_model_carries() -> None:
    model = nn.Linear(3, 4)
    model.example_input_array = torch.zeros(7, 3)
    assert shapes(mined("", model=model)) == ((7, 3),)
    model = nn.Linear(3, 4)
    model.default_cfg = {"input_size": (3, 96, 96)}
    assert shapes(mined("", model=model)) == ((2, 3, 96, 96),)


def test_the_size_a_model_was_built_for_is_not_that_of_its_weights() -> None:
    model = nn.Conv2d(3, 4, 3)
    model.default_cfg, model.img_size = {"input_size": (3, 96, 96)}, 160
    given = mined("", model=model)
    assert (given.source, shapes(given)) == ("inferred", ((2, 3, 160, 160),))


def layers() -> dict[str, nn.Module]:
    return {
        "conv1d": nn.Conv1d(5, 4, 3),
        "conv2d": nn.Conv2d(3, 4, 7),
        "conv3d": nn.Conv3d(1, 4, 3),
        "transposed": nn.Sequential(nn.ConvTranspose2d(100, 8, 4), nn.BatchNorm2d(8)),
        "linear": nn.Linear(20, 4),
        "digits": nn.Sequential(nn.Conv2d(1, 4, 5), nn.Flatten(), nn.Linear(4 * 24 * 24, 2)),
        "flatten fixes the size": nn.Sequential(
            nn.Conv2d(3, 4, 3, 2, 1), nn.Flatten(), nn.Linear(4 * 16 * 16, 2)
        ),
        "embedding": nn.Embedding(10, 4),
        "lstm": nn.LSTM(6, 4),
        "cell": nn.GRUCell(6, 4),
        "norm first": nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)),
        "sequence norm": nn.Sequential(nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8)),
        "table": nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 2)),
        "transformer": nn.TransformerEncoderLayer(16, 4, batch_first=True),
        "lazy": nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d()),
        "rgb after all": nn.ModuleList([nn.Linear(3, 3), nn.Conv2d(3, 8, 3)])[1],
    }


with torch.device("meta"):
    LAYERS = layers()


@pytest.mark.parametrize("name", LAYERS)
def test_one_of_the_inferred_inputs_passes(name: str) -> None:
    model = LAYERS[name]
    given = Guesses(infer(model))

    def passes(candidate: object) -> bool:
        try:
            model(*candidate.args, **candidate.kwargs)  # type: ignore[attr-defined]
        except Exception:
            return False
        return True

    chosen = choose(given, passes)
    assert len(given.candidates) <= 12
    assert len(chosen.candidates) == 1, f"none of {[c.args for c in given.candidates]}"


def test_nothing_is_inferred_from_nothing() -> None:
    assert infer(nn.ReLU()) == ()


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.picture = nn.Conv2d(3, 4, 3)

    def forward(self, image: torch.Tensor, text: torch.Tensor, flag: bool = False) -> torch.Tensor:
        return self.picture(image).mean() + self.words(text).mean()


def test_every_input_is_inferred_from_what_reads_it() -> None:
    first = infer(Both())[0]
    assert [tuple(t.shape) for t in first.args] == [(2, 3, 224, 224), (2, 16)]
    assert first.args[1].dtype is torch.long
    asked = required_inputs(Both(), read_forward(Both()))
    assert [one.name for one in asked] == ["image", "text"]


def beside(folder: Path, script: str, model: nn.Module, call: str = "Net()") -> Guesses:
    """The inputs of a model whose file has a script beside it."""
    (folder / "train.py").write_text(textwrap.dedent(script))
    path = folder / "models" / "net.py"
    path.parent.mkdir()
    path.write_text("class Net: ...\n")
    found = read(str(path))
    assert isinstance(found, Source)
    return find_inputs(model, found, ModelRef(str(path), "Net", "class", call))


def test_inputs_are_found_in_scripts_beside_a_model(tmp_path: Path) -> None:
    script = """
    from models.net import Net
    model = torch.nn.DataParallel(Net().cuda())
    summary(model, (3, 90, 60))
    """
    given = beside(tmp_path, script, nn.Conv2d(3, 8, 3))
    assert given.source == "mined"
    assert shapes(given) == ((2, 3, 90, 60),)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        ("transforms.Compose([transforms.Resize(80), transforms.CenterCrop((72, 48))])", (72, 48)),
        ("datasets.CIFAR10('data')", (32, 32)),
        ("datasets.MNIST('data', transform=transforms.Resize(SIZE))", (40, 40)),
        ("load('data')", (224, 224)),
    ],
)
def test_the_size_of_images_is_that_of_the_data(
    tmp_path: Path, data: str, size: tuple[int, int]
) -> None:
    script = f"from models import net\nSIZE = 40\nmodel, data = net.Net(), {data}\n"
    given = beside(tmp_path, script, nn.Conv2d(3, 8, 3))
    assert given.source == "inferred"
    assert shapes(given) == ((2, 3, *size),)


@pytest.mark.parametrize(
    "script",
    [
        "from models.net import other\ndatasets.CIFAR10('data')\n",
        "class Net: ...\nnet = Net()\nnet(torch.rand(2, 3, 32, 32))\n",
        "from elsewhere import Net\nnet = Net()\nnet(torch.rand(2, 3, 32, 32))\n",
    ],
)
def test_a_script_that_uses_another_model_says_nothing(tmp_path: Path, script: str) -> None:
    assert shapes(beside(tmp_path, script, nn.Conv2d(3, 8, 3))) == ((2, 3, 224, 224),)


def test_an_example_may_be_a_dict() -> None:
    model = Both()
    model.example_input_array = {"text": torch.zeros(1, 4).long(), "image": torch.zeros(1, 3, 8, 8)}
    given = mined("", model=model)
    assert given.source == "mined"
    assert set(given.candidates[0].kwargs) == {"image", "text"}


def test_an_argument_that_is_spread_is_not_shown() -> None:
    assert mined("net = Net()\nsizes = (2, 3)\nnet(torch.rand(*sizes))").source == "mined"
    assert mined("net = Net()\nx = load()\nnet(*x)").source == "none"


class _Sample(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        return {"x": torch.zeros(5, 3)}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class _Unready(_Sample):
    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        raise RuntimeError("no config")


def test_inputs_that_a_model_holds_are_used() -> None:
    given = mined("", model=_Sample())
    assert (given.source, shapes(given)) == ("mined", ((5, 3),))


def test_a_property_that_raises_holds_no_inputs() -> None:
    assert mined("", model=_Unready()).source == "inferred"
