"""A file as Python source: of a notebook, its code cells without magics."""

from __future__ import annotations

import json
from pathlib import Path


def read_source(path: Path) -> str:
    """The text of a Python file or of the code cells of a notebook."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return _code_cells(text) if path.suffix == ".ipynb" else text


def _code_cells(text: str) -> str:
    cells = json.loads(text)["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    kept = (source for source in sources if not source.lstrip().startswith("%%"))
    return "\n".join(_without_magics(source) for source in kept)


def _without_magics(source: str) -> str:
    return "\n".join(map(_python, source.splitlines()))


def _python(line: str) -> str:
    """The line, or a ``pass`` in the place of a magic."""
    code = line.lstrip()
    return f"{line[: len(line) - len(code)]}pass" if code[:1] in ("%", "!", "?") else line
