from __future__ import annotations

from bnlint.domain.graph import Location
from bnlint.findings.comments import ignore_comments, skips_file

TEXT = '''\
import torch.nn as nn  # bnlint: ignore[BN1] -- a plain line

doc = "# bnlint: ignore[BN9]"

class Net(  # bnlint: ignore[BN2]
    nn.Module,
):
    """# bnlint: skip-file"""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(
            3,  # bnlint:ignore[ BN301 , missing-norm ] --  shared weights
            8,
        )
        # bnlint: ignore[BN4]
        self.bn = nn.BatchNorm2d(
            8,
        )

    def forward(self, x):  # noqa: E1  # bnlint: ignore
        for _ in range(3):  # bnlint: ignore[BN5]
            x = self.conv(x)
        return x


# bnlint: ignore[BN6]
@decorated
class Other(nn.Module):
    pass
# bnlint: ignore[BN7]
'''


def test_each_comment_covers_its_statement() -> None:
    found = {c.rules: (c.line, c.column, c.first, c.last) for c in ignore_comments(TEXT)}
    assert found == {
        ("BN1",): (1, 24, 1, 1),
        ("BN2",): (5, 13, 5, 24),
        ("BN301", "missing-norm"): (13, 17, 12, 15),
        ("BN4",): (16, 9, 16, 19),
        (): (21, 40, 21, 24),
        ("BN5",): (22, 29, 22, 22),
        ("BN6",): (27, 1, 27, 30),
        ("BN7",): (31, 1, 31, 31),
    }


def test_reasons_are_read() -> None:
    reasons = {c.rules: c.reason for c in ignore_comments(TEXT)}
    assert reasons["BN1",] == "a plain line"
    assert reasons["BN301", "missing-norm"] == "shared weights"
    assert reasons["BN4",] == ""


def test_skip_file_is_a_comment_and_not_a_string() -> None:
    assert not skips_file(TEXT)
    assert skips_file("import torch\n# bnlint: skip-file\n")
    assert skips_file("x = 1  # bnlint:skip-file -- generated\n")
    assert not skips_file("# bnlint: ignore[BN1]\n")


def test_a_file_that_is_no_python_still_has_comments_on_their_own_lines() -> None:
    (comment,) = ignore_comments("x = (1  # bnlint: ignore[BN1]\n")
    assert (comment.first, comment.last) == (1, 1)
    assert ignore_comments("\x00") == ()


LONG = """\
net = nn.Sequential(
    nn.Conv2d(3, 8, 3),  # bnlint: ignore[BN1]
    nn.BatchNorm2d(8),
    # bnlint: ignore[BN2]
    # a reason on a line of its own
    nn.Conv2d(
        8,
        8,  # bnlint: ignore[BN3]
        3,
    ),
    nn.BatchNorm2d(8),
)  # bnlint: ignore[BN4]
"""
PLACES = {
    "all": Location("net.py", 1, 7, 12, 2),
    "first": Location("net.py", 2, 5, 2, 23),
    "norm": Location("net.py", 3, 5, 3, 22),
    "second": Location("net.py", 6, 5, 10, 6),
    "without an end": Location("net.py", 6, 5),
}


def test_a_comment_within_a_statement_covers_what_its_line_is_a_part_of() -> None:
    covered = {
        comment.rules[0]: [name for name, at in PLACES.items() if comment.covers(at)]
        for comment in ignore_comments(LONG)
    }
    assert covered == {
        "BN1": ["all", "first"],
        "BN2": ["all", "second", "without an end"],
        "BN3": ["all", "second"],
        "BN4": list(PLACES),
    }
