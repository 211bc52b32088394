"""Where the text column of a file is unclear, predict names the whole command with the likeliest one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from liftune.data.readers.formats import open_stream
from liftune.errors import DataError
from liftune.inference.row_texts import Texts
from liftune.workflows.predict import PredictOptions, _whole_command


@pytest.mark.parametrize("out", [None, "answers.csv"])
def test_the_command_names_the_likeliest_column_and_works(out, tmp_path: Path):
    path = tmp_path / "new ones.csv"
    rows = "".join(f"{i},2024-01-{i + 1:02},The meal number {i} was long in coming,web\n" for i in range(20))
    path.write_text(f"case,day,what they said,origin\n{rows}")
    options = PredictOptions("runs/one", source=str(path), out=out)
    with pytest.raises(DataError, match="is unclear") as caught, _whole_command(options):
        Texts.of(open_stream(path), pairs=False)
    command = (caught.value.hint or "").split(": ", 1)[1]
    words = shlex.split(command)
    assert words[:5] == ["liftune", "predict", "runs/one", "--in", str(path)]
    assert words[-2:] == ["--text", "what they said"]
    texts = Texts.of(open_stream(path), pairs=False, text=words[-1])
    assert texts.text == "what they said"


def test_the_second_text_of_a_pair_is_named_too(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text("text,case\n" + "".join(f"A claim {i} on it,{i}\n" for i in range(20)))
    with pytest.raises(DataError, match="second text") as caught:
        Texts.of(open_stream(path), pairs=True)
    assert "--text-pair case" in (caught.value.hint or "")
