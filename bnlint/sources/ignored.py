"""What git ignores below a folder."""

from __future__ import annotations

from pathlib import Path

_PATIENCE = 20


def ignored_by_git(folder: Path) -> frozenset[Path]:
    """The files and whole folders below ``folder`` that git ignores; none outside a repository."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return frozenset()
    import subprocess

    command = ["git", "-C", str(folder), "ls-files", "--others", "--ignored"]
    command += ["--exclude-standard", "--directory", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return frozenset(folder / name.rstrip("/") for name in names if name)
