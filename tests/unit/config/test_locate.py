from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bnlint.config.config_file import locate

TEXT = '''\
# select = "no"
title = """
select = "not me"
[tool.bnlint]
"""
[tool."bnlint"]
a.b = 1
select = [ "x]", 'y[', # ]
  "z",
]
later = {in = {deep = "v"}, other = "v"}
  [tool.bnlint.models]
"src/net.py" = ["Net"]
'''


def test_keys_are_found_where_they_stand() -> None:
    assert locate(TEXT, ("tool", "bnlint", "select")) == (8, 1)
    assert locate(TEXT, ("tool", "bnlint", "select"), "z") == (9, 3)
    assert locate(TEXT, ("tool", "bnlint", "a", "b")) == (7, 1)
    assert locate(TEXT, ("tool", "bnlint", "later", "in", "deep")) == (11, 16)
    assert locate(TEXT, ("tool", "bnlint", "models", "src/net.py")) == (13, 1)
    assert locate(TEXT, ("tool", "bnlint", "models")) == (12, 3)
    assert locate(TEXT, ("nowhere",)) == (1, 1)


_KEYS = st.text("ab.-é ", min_size=1, max_size=4)
_TABLES = st.dictionaries(_KEYS, st.sampled_from(['"v # ["', "[1, 2]", "{x = 1}", "'''\n[a]\n'''"]))


@given(_TABLES, _TABLES)
def test_every_key_is_found_on_its_own_line(top: dict[str, str], inner: dict[str, str]) -> None:
    lines = [f'"{key}" = {value}' for key, value in top.items()] + ['["the table"]']
    lines += [f'"{key}" = {value}' for key, value in inner.items()]
    text = "\n".join(lines) + "\n"
    parsed: dict[str, Any] = tomllib.loads(text)
    for path in [(k,) for k in top] + [("the table", k) for k in inner]:
        line, column = locate(text, path)
        assert text.splitlines()[line - 1][column - 1 :].startswith(f'"{path[-1]}" =')
    assert set(parsed) == {*top, "the table"}


@given(st.text())
def test_any_text_at_all_gives_a_place(text: str) -> None:
    line, column = locate(text, ("tool", "bnlint", "x"))
    assert line >= 1
    assert column >= 1
