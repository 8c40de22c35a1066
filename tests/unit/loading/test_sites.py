"""Sites of modules survive copies, and are left out where code pickles what it builds."""

from __future__ import annotations

import copy
import pickle
from types import CodeType

from torch import nn

from bnlint.loading.sites import Locator, record_sites, site_of
from bnlint.tracing.file import trace_source


def test_a_clone_has_the_site_of_its_original():
    with record_sites():
        layer = nn.Linear(2, 2)
    site = site_of(layer)
    assert site is not None
    assert site_of(copy.deepcopy(layer)) == site
    assert site_of(copy.copy(layer)) == site


def test_a_pickled_layer_has_no_site_and_can_be_read_again():
    with record_sites():
        layer = nn.Linear(2, 2)
    again = pickle.loads(pickle.dumps(layer))
    assert site_of(again) is None
    assert again.in_features == 2


PERSISTENT = """
import pickle
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        pickle.dumps(vars(self))  # as classes do that keep what they were made of

    def forward(self, x):
        return self.bn(self.conv(x))
"""


def test_a_model_that_pickles_itself_while_it_is_built_is_traced():
    (graph,) = trace_source(PERSISTENT)
    assert graph.trace.complete
    assert [op.kind for op in graph.ops if "norm" in op.tags] == ["batchnorm2d"]


def test_code_that_a_library_generated_is_no_place_to_point_at() -> None:
    def frame(file: str) -> tuple[CodeType, int]:
        return compile("x", file, "exec"), 0

    generated, user = frame("/tmp/bnlint-ab_c1/0/caches/conv.py"), frame("/home/me/net.py")
    found = Locator("/home/me/net.py").locate((generated, user))
    assert found is not None
    assert found.path == "/home/me/net.py"
    assert Locator("/home/me/net.py").locate((generated,)) is None
    assert Locator("/tmp/caches/net.py").locate((frame("/tmp/caches/net.py"),)) is not None
