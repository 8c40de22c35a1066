from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is slow, which says nothing about what is tested.
settings.register_profile("bnlint", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bnlint")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files anew from what the formatters render now",
    )
