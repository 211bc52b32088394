"""What Python's functions raise, tell and show names arguments of Python, and not options of the command line."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_runs import made_run

import liftune
from liftune.cli.main import main
from liftune.errors import LiftuneError
from liftune.python_names import in_python

ROWS = pd.DataFrame({"text": [f"a good text, number {i}" for i in range(60)], "label": ["no", "yes"] * 30})
HOLED = ROWS.assign(text=[None, *ROWS["text"][1:]])
#: Its other contenders read words alone, and load at once.
RUN = Path(__file__).parents[1] / "fixtures" / "schema_4" / "run"
OPTION = re.compile(r"(?<![\w-])--[a-z]")


def pairs(folder: Path) -> Path:
    """A file in which nothing says what is the text."""
    pd.DataFrame({"a": ["x y", "z w"] * 30, "b": ["p q", "r s"] * 30, "c": [0, 1] * 30}).to_csv(folder / "pairs.csv")
    return folder / "pairs.csv"


@pytest.mark.parametrize(
    ("call", "where", "said"),
    [
        (lambda _: liftune.tune(HOLED, model="minilm"), None, "drop such rows with skip_bad_rows=True"),
        (lambda _: liftune.tune(ROWS, epochs="many"), None, "epochs: must be a whole number"),
        (lambda _: liftune.tune(ROWS, metric="acuracy"), "metric", "accuracy"),
        (lambda _: liftune.sweep(ROWS, methods=["ia4"]), "methods", "ia3"),
        (lambda _: liftune.inspect(ROWS, task="regression"), None, 'task="'),
        (lambda _: liftune.inspect(ROWS, label="text_2"), None, "label="),
        (lambda folder: liftune.inspect(pairs(folder), text="none_such"), None, "text="),
        (lambda folder: liftune.tune(ROWS, model="minilm", out=made_run(folder / "run").path), "out", "overwrite=True"),
        (lambda folder: liftune.load(made_run(folder / "run").path, use="full"), "run", "tune again"),
    ],
)
def test_an_error_names_arguments(call: Callable[[Path], Any], where: str | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(LiftuneError) as refused:
        call(tmp_path)
    error = refused.value
    assert said in f"{error.message} {error.hint}"
    assert where is None or error.where == where
    for text in (str(error), error.message, error.hint or "", error.where or "", str(error.args[0])):
        assert not OPTION.search(re.sub(r"liftune [a-z]+ .*", "", text)), text


def test_the_command_line_says_the_same_with_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    HOLED.to_csv(tmp_path / "rows.csv", index=False)
    assert main(["tune", str(tmp_path / "rows.csv"), "--model", "minilm", "--out", str(tmp_path / "run")]) == 2
    assert "--skip-bad-rows" in capsys.readouterr().err


def test_a_cell_of_a_notebook_names_arguments(tmp_path: Path) -> None:
    HOLED.assign(text=HOLED["text"] + " \u201cso\u201d").to_csv(tmp_path / "rows.csv", index=False, encoding="cp1252")
    shown = liftune.inspect(tmp_path / "rows.csv", model=None)._repr_html_()
    assert "skip_bad_rows=True" in shown
    assert "say otherwise with encoding=" in shown


def test_an_options_own_name_leads_to_the_argument() -> None:
    """--import and --for cannot be arguments: they are words of Python."""
    with pytest.raises(LiftuneError, match="did you mean filled_in") as refused:
        liftune.label(run=RUN, import_="a.csv")  # type: ignore[call-arg] # the point of it
    assert refused.value.hint == "write filled_in="
    with pytest.raises(LiftuneError, match="did you mean label"):
        liftune.explain("a", model=RUN, for_="joy")  # type: ignore[call-arg] # the point of it


def test_what_is_explained_is_named_as_pythons_argument() -> None:
    with pytest.raises(LiftuneError, match="unknown label") as refused:
        liftune.explain("a text", model=RUN, use="tfidf", label="Nowhere")
    assert refused.value.where == "label"
    assert "for=" not in str(refused.value)


def test_a_loaded_model_and_its_copies_name_arguments() -> None:
    """What `load` returned raises outside any function of liftune."""
    loaded = liftune.load(RUN, use="tfidf")
    for model in (loaded, pickle.loads(pickle.dumps(loaded)), copy.copy(loaded)):
        with pytest.raises(LiftuneError) as refused:
            model.predict(["a"], min_precision=2)
        assert refused.value.where == "min_precision"
        with pytest.raises(LiftuneError) as refused:
            model.logits([("a", "b")])
        assert refused.value.hint == "give texts, not tuples"


def test_the_command_line_says_its_own_options_of_a_loaded_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(RUN), "a", "--use", "tfidf", "--min-precision", "2"]) == 2
    assert "where: --min-precision" in capsys.readouterr().err


def test_progress_names_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    from liftune.api.calls import progress

    progress(quiet=False).log("63 test examples; --folds 5 would test on all 628")
    assert "folds=5 would test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leave --jobs out, or give --device cpu", 'leave jobs= out, or give device="cpu"'),
        ("give auto, as `ray start --head` prints it", "give auto, as `ray start --head` prints it"),
        ("newer: pip install --upgrade peft", "newer: pip install --upgrade peft"),
        ("drops them, as `--skip-bad-rows` asks", "drops them, as `skip_bad_rows=True` asks"),
        ("such as --set rank=16; or --seeds 0,1,2", 'such as set={"rank": 16}; or seeds=[0, 1, 2]'),
        ("--epochs: must be 1 or more", "epochs: must be 1 or more"),
        ("give a file with --in FILE", "give a file with data=FILE"),
        ("the label is '--out'", "the label is '--out'"),
        ("--decimal , reads 1,5", 'decimal="," reads 1,5'),
    ],
)
def test_a_text_keeps_its_sense(text: str, said: str) -> None:
    assert in_python(text) == said
