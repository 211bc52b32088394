"""Half a character in an option is refused where options are checked: no file of results could hold it."""

from __future__ import annotations

from typing import Any

import pytest

from liftune.errors import SpecError
from liftune.spec import RunSpec
from liftune.sweeps.grid import SweepSpec

HALF = "a\udcff"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"data": HALF}, "DATA"),
        ({"label_names": ["a", HALF]}, "--label-names"),
        ({"split": {"train": HALF}}, "--split"),
        ({"split": {HALF: "a"}}, "--split"),
        ({"set": {"rank": HALF}}, "--set"),
        ({"out": HALF}, "--out"),
    ],
)
def test_half_a_character_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SpecError, match="must be Unicode") as caught:
        RunSpec.of(**options)
    assert named in str(caught.value)
    assert str(caught.value).isascii()


def test_so_it_is_in_what_a_sweep_was_asked() -> None:
    with pytest.raises(SpecError, match="must be Unicode"):
        SweepSpec.checked({"run": {"data": {"source": HALF}}, "methods": ["lora"], "models": ["minilm"]})
    with pytest.raises(SpecError, match="must be Unicode"):
        SweepSpec.checked({"run": {}, "methods": ["lora"], "models": [HALF]})
