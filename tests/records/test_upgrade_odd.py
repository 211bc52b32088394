"""What an earlier schema's file holds in place of a name is refused, not looked up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liftune.errors import SpecError
from liftune.spec import RunSpec


@pytest.mark.parametrize("value", [[["packing"]], [{"a": 1}], [None]])
def test_accelerations_that_are_no_names_are_refused(value: object, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"train": {"accelerations": value}}))
    with pytest.raises(SpecError):
        RunSpec.read(path)
