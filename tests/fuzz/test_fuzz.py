"""A few of the broken inputs that `make fuzz` gives to everything that reads: none ends in a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v0_1 import lay_out

sys.path.append(str(Path(__file__).parents[2]))
from fuzz.minimise import minimised
from fuzz.targets import NAMES, made
from fuzz.verdict import judge
from liftune.errors import DataError

FAST = ("csv", "json", "jsonl", "parquet", "xlsx", "zip", "labels", "options")


@pytest.mark.parametrize("name", FAST)
def test_broken_input_is_read_or_refused_in_words(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lay_out(tmp_path))
    target = made(name)

    @settings(max_examples=12, deadline=None, database=None, derandomize=True)
    @given(st.randoms(use_true_random=False, note_method_calls=False))
    def given_inputs(random: object) -> None:
        outcome = judge(target.reads, target.inputs(random))  # type: ignore[arg-type]
        assert outcome.finding is None or outcome.finding.signature == "over 2 seconds", outcome.finding

    given_inputs()


def test_a_defect_is_found_and_made_small() -> None:
    def reads(data: bytes) -> None:
        if b"X" in data:
            raise KeyError("X")
        raise DataError("in words")

    assert judge(reads, b"aa").finding is None
    found = judge(reads, b"aaXaa").finding
    assert found is not None
    assert found.signature.startswith("KeyError at test_fuzz.py")
    assert minimised(b"aaaaXaaa", lambda data: judge(reads, data).finding is not None) == b"X"
    assert set(FAST) <= set(NAMES)
