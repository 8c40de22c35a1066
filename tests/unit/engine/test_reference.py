from __future__ import annotations

from pathlib import Path

from bnlint.engine.vocabulary import reference

README = Path(__file__).parents[3] / "rules" / "README.md"
MARK = "--update-golden` -->\n"


def test_the_document_for_rule_authors_lists_every_word(request):
    text = README.read_text(encoding="utf-8")
    written = text.partition(MARK)[0] + MARK + "\n" + reference()
    if request.config.getoption("--update-golden"):
        README.write_text(written, encoding="utf-8")
    assert README.read_text(encoding="utf-8") == written
