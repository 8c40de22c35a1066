"""A sample of well-known good models: silent but for true wastes, and faults put in are found.

The whole zoo is measured by ``benchmarks.zoo``, mutations of more models by
``benchmarks.mutations``.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from importlib.util import find_spec

import pytest

measure = pytest.importorskip("benchmarks.mutations.measure", exc_type=ImportError)
models = pytest.importorskip("benchmarks.mutations.models", exc_type=ImportError)

missing = [name for name in ("torchvision", "timm") if find_spec(name) is None]
pytestmark = [
    pytest.mark.zoo,
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
]

FAMOUS = (
    "resnet18 densenet121 mobilenet_v3_small efficientnet_b0 regnet_x_400mf inception_v3 googlenet "
    "shufflenet_v2_x0_5 vgg11_bn dla34 ghostnet_100 repvgg_a0 rexnet_100 tf_efficientnet_b0 "
    "res2net50_14w_8s convmixer_768_32"
)
MODELS = tuple(FAMOUS.split())

WASTES = {
    "vgg11_bn": {"BN301": 8},  # every convolution has a bias, and a norm behind it
    "rexnet_100": {"BN301": 13},  # the first kernel of each gate, which a norm follows
    "convmixer_768_32": {"BN101": 1},  # GELU, then norm, throughout: a convention, and said so
}
"""What is said of good models and is true; see ``benchmarks/zoo/VERDICTS.md``."""

KINDS = list(measure.MUTATIONS)


@lru_cache(maxsize=1)
def bench_of(name: str):
    return measure.Bench(next(models.entries([name])))


@pytest.mark.parametrize("name", MODELS)
def test_a_good_model_is_silent_but_for_true_wastes(name):
    said = Counter(finding.rule for finding in bench_of(name).findings())
    assert said == WASTES.get(name, {})


@pytest.mark.parametrize("name", [name for name in MODELS if name not in WASTES])
def test_mutations_of_a_good_model_are_found_at_their_layer(name):
    first = MODELS.index(name)
    kinds = [KINDS[(3 * first + n) % len(KINDS)] for n in range(3)]
    planted = [one for kind in kinds for one in bench_of(name).mutate(kind, 1)]
    assert planted
    assert [one for one in planted if not one.found] == []
