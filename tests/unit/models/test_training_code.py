"""Which losses the source applies to which result of which model, and what stays unknown."""

from __future__ import annotations

import textwrap

import pytest

from bnlint.domain.graph import TrainingCode
from bnlint.loading.parsing import read
from bnlint.models.evidence.project import Project
from bnlint.models.training.training_files import TrainingFiles
from bnlint.tracing.file import trace_source

MODEL = """
import torch
from torch import nn, optim
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, last=True):
        super().__init__()
        self.one = nn.Linear(8, 4)
        self.last = last

    def forward(self, x):
        x = self.one(x)
        return torch.softmax(x, 1) if self.last else x

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 1), nn.Linear(8, 4)

    def forward(self, x):
        return {"value": self.a(x), "classes": self.b(x)}
"""


def training(code: str, name: str = "Net") -> TrainingCode:
    graphs = trace_source(MODEL + textwrap.dedent(code), "")
    return next(g.training for g in graphs if g.ref.name in (name, "net"))


def losses(code: str, name: str = "Net") -> list[tuple[str, ...]]:
    return [(u.result, *u.after, u.loss) for u in training(code, name).losses]


CERTAIN = {
    "a script": """
        def main():
            net = Net().to("cpu")
            criterion = nn.CrossEntropyLoss().cuda()
            for x, y in []:
                out = net(x)
                loss = criterion(out, y)
    """,
    "a global model, and a function that uses it": """
        net = Net()
        criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
        def train(loader):
            net.train()
            for x, y in loader:
                criterion(net(x).view(-1, 4), y.view(-1)).backward()
    """,
    "arguments of a function": """
        def step(model, loss_fn, x, y):
            return loss_fn(model(x), y)
        def main():
            model, criterion = nn.DataParallel(Net()), F.cross_entropy
            step(model=model, loss_fn=nn.CrossEntropyLoss(), x=None, y=None)
    """,
    "a function in a variable": """
        def main(loader):
            net, loss_fn = Net(), F.cross_entropy
            for x, y in loader:
                loss_fn(net(x), y).backward()
    """,
    "a function that is passed on, with some of its arguments": """
        from functools import partial
        from torch.nn.functional import cross_entropy
        def step(model, loss_fn, x, y):
            return loss_fn(model(x), y)
        def main():
            step(Net(), partial(cross_entropy, label_smoothing=0.1), None, None)
    """,
    "a class that trains": """
        class Trainer:
            def __init__(self, net, criterion=None):
                self.net, self.criterion = net, nn.CrossEntropyLoss()
            def fit(self, loader):
                for x, y in loader:
                    self.criterion(self.net(x), y)
        Trainer(Net()).fit([])
    """,
    "a loss of the file": """
        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.ce = nn.CrossEntropyLoss()
            def forward(self, scores, y):
                return 2 * self.ce(scores, y)
        def main():
            net, own = Net(), Own()
            own(net(torch.zeros(1, 8)), None)
    """,
}


@pytest.mark.parametrize("code", CERTAIN.values(), ids=CERTAIN.keys())
def test_what_is_certain(code):
    assert losses(code) == [("", "cross_entropy")]


UNKNOWN = {
    "one of two losses": """
        def main(kind):
            net = Net()
            criterion = nn.BCELoss() if kind else nn.CrossEntropyLoss()
            criterion(net(None), None)
    """,
    "a loss that comes from outside": """
        def train(criterion):
            criterion(Net()(None), None)
    """,
    "another class of that name": """
        class CrossEntropyLoss(nn.Module):
            def forward(self, x, y):
                return x.sum()
        def train():
            CrossEntropyLoss()(Net()(None), None)
    """,
    "something is computed in between": """
        def train(weights):
            F.cross_entropy(Net()(None) @ weights, None)
    """,
    "the result is the target": """
        def train(scores):
            F.cross_entropy(scores, Net()(None))
    """,
    "built with another flag": """
        def train():
            F.cross_entropy(Net(last=False)(None), None)
    """,
    "an activation in one branch": """
        def train(flag):
            out = Net()(None)
            if flag:
                out = torch.log(out)
            F.nll_loss(out, None)
    """,
}


@pytest.mark.parametrize("code", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_not_certain_is_unknown(code):
    assert losses(code) == []


def test_parts_of_a_result():
    code = """
        def main():
            net = Pair()
            out = net(None)
            F.mse_loss(out["value"], None) + F.nll_loss(F.log_softmax(out["classes"], -1), None)
    """
    assert losses(code, "Pair") == [
        ("value", "mse_loss"),
        ("classes", "log_softmax", "nll_loss"),
    ]


def test_a_module_that_trains_itself():
    code = """
        class Lit(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Linear(8, 1)
                self.criterion = nn.BCELoss()
            def forward(self, x):
                return self.net(x)
            def shared(self, batch):
                x, y = batch
                return self.criterion(self(x).squeeze(-1), y)
            def training_step(self, batch, index):
                return self.shared(batch)
    """
    assert losses(code, "Lit") == [("", "binary_cross_entropy")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("with torch.no_grad():\n        net(x)", (True, False)),
        ("net.eval()\n    with torch.inference_mode():\n        net(x)", (True, True)),
        ("net(x)", (False, False)),
    ],
)
def test_evaluation(body, expected):
    found = training(f"net = Net()\ndef test(x):\n    {body}\n")
    assert (found.evaluated is not None, found.switched) == expected


PROJECT = {
    "nets.py": MODEL,
    "losses.py": """
        import torch.nn as nn
        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.BCEWithLogitsLoss()
            def forward(self, scores, y):
                return self.inner(scores, y)
    """,
    "loops.py": """
        def epoch(model, criterion, loader):
            for x, y in loader:
                criterion(model(x), y)
    """,
    "train.py": """
        from torch import nn
        import nets
        from nets import *
        from losses import Own
        from loops import epoch
        def main():
            epoch(nets.Net(), nn.CrossEntropyLoss(), [])
            Own()(Pair()(None)["value"], None)
        main()
    """,
    "other.py": """
        from elsewhere import Net
        from torch.nn import functional as F
        F.nll_loss(Net()(None), None)
    """,
}


def test_files_of_the_project_that_import_the_model(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    path = str(tmp_path / "nets.py")
    source, names = read(path), {}
    exec(MODEL, names)
    found = TrainingFiles(source, names, Project(str(tmp_path), path))
    net, pair = found.of_model(["Net"], "Net()"), found.of_model(["Pair"], "Pair()")
    assert [(u.loss, u.place.path, u.place.line) for u in net.losses] == [
        ("cross_entropy", str(tmp_path / "loops.py"), 4)
    ]
    assert [(u.loss, u.result) for u in pair.losses] == [
        ("binary_cross_entropy_with_logits", "value")
    ]
