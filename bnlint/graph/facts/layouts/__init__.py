"""What is known of a tensor's axes, followed from the layers that fix them."""

from __future__ import annotations

from bnlint.graph.facts.layouts.axis import Axis, Layout
from bnlint.graph.facts.layouts.layout_pass import arriving_at, followed

__all__ = ["Axis", "Layout", "arriving_at", "followed"]
