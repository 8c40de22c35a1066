"""``bnlint init``: write a commented config file, from what is found in the project."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bnlint import pipeline
from bnlint.cli.output import write_problems
from bnlint.cli.progress_line import bar
from bnlint.config import load_settings
from bnlint.domain.errors import Mistake, UsageError
from bnlint.pipeline.first_config import FILENAME, first_config


def init(given: Mapping[str, Any]) -> int:
    """Write the file into the working directory; 0. A config file that is there stays as it is.

    Raises
    ------
    UsageError
        When there is a config file already, or it cannot be written.

    """
    paths = given.get("paths") or ["."]
    settings = load_settings({**given, "paths": paths})
    if settings.config_file:
        hint = "edit it; `bnlint --show-settings` prints every setting"
        raise UsageError(
            Mistake(f"there is a config file already: {settings.config_file}", hint=hint)
        )
    with bar(settings) as progress:
        report = pipeline.check(settings, progress=progress)
    text = first_config(report, shlex.join(map(str, paths)))
    try:
        with Path(FILENAME).open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{FILENAME} cannot be written: {error.strerror or error}") from None
    write_problems(report, settings)
    print(f"written: {FILENAME}")
    sys.stderr.write("next: read it, and run `bnlint " + shlex.join(map(str, paths)) + "`\n")
    return 0
