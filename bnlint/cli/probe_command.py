"""``bnlint probe``: measure a model on a device, together with its static findings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bnlint.cli.output import wants_colour, write_report, write_text
from bnlint.cli.parsers import FOR_PROBES, parse, probe_parser
from bnlint.cli.progress_line import bar
from bnlint.config import Output, Settings, load_settings
from bnlint.domain import VERSION
from bnlint.domain.finding import Severity
from bnlint.domain.probe import ProbeResult
from bnlint.pipeline.probe_file import probe_checked
from bnlint.probing.given.probe_options import options_of
from bnlint.probing.showing import pictures
from bnlint.probing.showing.exports import document as measured
from bnlint.probing.showing.exports import sections
from bnlint.probing.showing.terminal import render as table
from bnlint.report import RenderOptions
from bnlint.report.formats.json import document as lint_document
from bnlint.report.lines import paint
from bnlint.report.strict_json import json_text


def run(arguments: Sequence[str]) -> int:
    """The exit code: 2 for what cannot be probed, 1 for findings that count, else 0."""
    given = parse(probe_parser(), arguments)
    chosen = {name: given[name] for name in FOR_PROBES if name in given}
    target, inputs = given["target"], given["inputs"] or None
    settings = load_settings({"paths": [target], "inputs": inputs, **chosen})
    if given["plot"]:
        pictures.require()  # before anything is measured
    with bar(settings, f"probing {target}"):
        result = probe_checked(target, options_of(argparse.Namespace(**given)), settings)
    for output in settings.formats:
        _write(result, settings, output)
    if given["plot"]:
        for path in pictures.save(result, given["plot"], given["titles"]):
            print(f"written: {path}", file=sys.stderr)
    worst = result.report.worst()
    counts = worst is not None and worst.at_least(Severity(settings.fail_on))
    return int(counts and not settings.exit_zero)


def _write(result: ProbeResult, settings: Settings, output: Output) -> None:
    """Write the result (text, json) or its report (every other format)."""
    if output.format == "json":
        options = RenderOptions(root=str(Path.cwd()), version=VERSION)
        data = {**lint_document(result.report, options), **measured(result)}
        write_text(output, json_text(data))
    elif output.format == "text":
        colour = not output.path and wants_colour(settings.colour, sys.stdout)
        write_text(output, table(result, lambda text, style: paint(text, style, colour)))
    else:
        write_report(result.report, replace(settings, formats=(output,)), lambda: sections(result))
