"""What is said of an error that the user's code raised."""

from __future__ import annotations

import pytest

from bnlint.domain.errors import in_words, is_out_of_memory, mentions_memory


def test_an_error_in_words_is_its_type_and_first_line() -> None:
    assert in_words(ValueError("\n one\ntwo")) == "ValueError: one"
    assert in_words(AssertionError()) == "AssertionError"
    assert in_words(ValueError("x" * 400)) == "ValueError: " + "x" * 299 + "…"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        OSError("[Errno 12] Cannot allocate memory"),
    ],
)
def test_every_way_to_run_out_of_memory_is_known(error: BaseException) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("memory_format"))
    assert mentions_memory("Traceback (most recent call last):\nMemoryError\n")
