"""The colours of the page, in both themes: readable, and the roles of operations told apart."""

from __future__ import annotations

import re
from itertools import combinations

import pytest

from bnlint.report.formats.html import page_asset

Colour = tuple[float, float, float]  # linear light of red, green and blue
ROLES = ("kernel", "norm", "activation", "pooling", "join", "other")
# How little of the difference between red and green is left to those who see it badly
# (Machado, Oliveira & Fernandes 2009, severity 1).
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)


def _themes() -> dict[str, dict[str, str]]:
    css = page_asset("page.css")
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    )
    return {"light": light, "dark": {**light, **dark}}


THEMES = _themes()


def _shares(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))


def _linear(colour: str) -> Colour:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _shares(colour)
    )
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _node(theme: dict[str, str], role: str) -> str:
    """The fill of a node: the colour of its role mixed into that of a card, as the style says."""
    found = re.search(r"color-mix\(in srgb, var\(--role\) (\d+)%, var\(--card\)\)", _css())
    assert found
    share = int(found[1]) / 100
    pairs = zip(_shares(theme[role]), _shares(theme["card"]), strict=True)
    return "#" + "".join(f"{round(255 * (a * share + b * (1 - share))):02x}" for a, b in pairs)


def _css() -> str:
    return page_asset("page.css")


def _lab(light: Colour) -> Colour:
    red, green, blue = light
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _seen_badly(light: Colour) -> Colour:
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, light, strict=True))))
        for row in DEUTERANOPIA
    )
    return red, green, blue


def _distance(one: Colour, other: Colour) -> float:
    return sum((a - b) ** 2 for a, b in zip(_lab(one), _lab(other), strict=True)) ** 0.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
@pytest.mark.parametrize("role", ROLES)
def test_a_node_is_readable_and_its_role_is_seen(theme: dict[str, str], role: str) -> None:
    assert _contrast(theme["ink"], _node(theme, role)) >= 4.5
    assert _contrast(theme["dim"], _node(theme, role)) >= 4.5
    assert _contrast(theme[role], theme["card"]) >= 3  # the stripe on a node
    assert _contrast(theme[role], theme["page"]) >= 3  # the whole node, seen from afar


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_roles_are_told_apart(theme: dict[str, str]) -> None:
    for one, other in combinations(ROLES, 2):
        assert _distance(_linear(theme[one]), _linear(theme[other])) >= 25, (one, other)
    for one, other in combinations(("kernel", "norm", "activation", "other"), 2):
        seen = [_seen_badly(_linear(theme[role])) for role in (one, other)]
        assert _distance(*seen) >= 10, (one, other)


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
@pytest.mark.parametrize("name", ["ink", "dim", "link", "error", "warning", "info", "good"])
def test_text_is_readable_on_the_page_and_on_cards(theme: dict[str, str], name: str) -> None:
    assert _contrast(theme[name], theme["page"]) >= 4.5
    assert _contrast(theme[name], theme["card"]) >= 4.5
