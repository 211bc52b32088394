"""The package as a person meets it: its names, lists, reports, files of options, errors in a notebook."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from made_runs import made_run

import liftune
from liftune.api.calls import progress
from liftune.errors import SpecError
from liftune.listing import KINDS

#: A run whose contender tfidf loads without a base model.
RUN = Path(__file__).parents[1] / "fixtures" / "schema_4" / "run"


def test_its_names_are_verbs_and_no_modules() -> None:
    """Also once every module has been imported."""
    code = (
        "import liftune, importlib, inspect, pkgutil\n"
        "for each in pkgutil.iter_modules(liftune.__path__):\n"
        "    importlib.import_module(f'liftune.{each.name}') if each.name != '__main__' else None\n"
        "assert dir(liftune) == sorted(liftune.__all__), dir(liftune)\n"
        "wrong = [name for name in dir(liftune) if inspect.ismodule(getattr(liftune, name))]\n"
        "assert not wrong, wrong\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_what_there_is_to_choose_from_is_a_list_of_dicts(kind: str) -> None:
    found = getattr(liftune, f"list_{kind}")()
    assert found
    assert all(each["name"] and each["summary"] for each in found)


def test_a_record_is_read_where_the_run_is_now(tmp_path: Path) -> None:
    made_run(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    record = liftune.read(tmp_path / "moved")
    assert record.run == str(tmp_path / "moved")
    assert record.plot("confusions")


def test_a_report_is_text_or_a_file(tmp_path: Path) -> None:
    made_run(tmp_path / "run")
    text = liftune.report(tmp_path / "run")
    assert text.startswith("# liftune report")
    written = liftune.report(tmp_path / "run", out=tmp_path / "a.md")
    assert Path(written).read_text(encoding="utf-8") == text
    with pytest.raises(SpecError, match="pdf"):
        liftune.report(tmp_path / "run", format="pdf")


def test_options_are_written_and_read(tmp_path: Path) -> None:
    written = liftune.init(tmp_path / "mine.toml", data="sample:emotions", epochs=2)
    assert "epochs = 2" in Path(written).read_text(encoding="utf-8")
    with pytest.raises(SpecError, match="overwrite"):
        liftune.init(tmp_path / "mine.toml")
    with pytest.raises(SpecError, match="epoch"):
        liftune.init(tmp_path / "other.toml", epoch=2)


def test_an_explained_table_is_refused_without_its_rows(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a value of type DataFrame"):
        liftune.explain(pd.DataFrame({"text": ["a secret"]}), model=tmp_path)  # type: ignore[arg-type]


def test_none_counts_words_by_either_name() -> None:
    """The word for None on the command line is no model on the hub."""
    by_none, by_word = (liftune.inspect("sample:emotions", model=each, train_rows=60) for each in (None, "none"))
    assert by_none.to_json() == by_word.to_json()
    assert "tokenizer.json" not in by_word.to_json()


def test_a_model_that_is_loaded_is_evaluated_as_it_was_loaded() -> None:
    """Its path alone would be another contender of the run."""
    loaded = liftune.load(RUN, use="tfidf")
    rows = [{"text": f"a text, number {i}", "label": loaded.labels[i % len(loaded.labels)]} for i in range(20)]
    by_path = liftune.evaluate(rows, model=RUN, use="tfidf", quiet=True)
    by_model = liftune.evaluate(rows, model=loaded, quiet=True)
    assert by_model.contender == by_path.contender == "tfidf"
    assert by_model.contenders[0].metrics == by_path.contenders[0].metrics


def test_a_model_that_evaluate_would_compute_otherwise_is_refused(tmp_path: Path) -> None:
    loaded = liftune.load(RUN, use="tfidf", min_precision=0.5)
    with pytest.raises(SpecError, match="model must be a path"):
        liftune.evaluate([{"text": "a", "label": "joy"}], model=loaded)


def test_an_export_refuses_an_unknown_format_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="onxx"):
        liftune.export(tmp_path / "run", tmp_path / "out", format="onxx")


def test_progress_shows_where_a_person_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, kernel, shown in (
        (Terminal(), False, True),
        (io.StringIO(), False, False),
        (io.StringIO(), True, True),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        if kernel:
            monkeypatch.setitem(sys.modules, "ipykernel", sys)
        progress(None).log("a line")
        assert bool(stream.getvalue()) is shown


def test_an_error_in_a_notebook_is_as_short_as_on_the_command_line() -> None:
    """IPython shows what this method returns in the place of a traceback."""
    with pytest.raises(SpecError) as raised:
        liftune.inspect("rows.csv", epohcs=2)
    (shown,) = raised.value._render_traceback_()
    assert shown == f"SpecError: {raised.value}"
    assert len(shown.splitlines()) <= 3


@pytest.mark.parametrize("verb", ["tune", "load", "compare", "check", "report", "export", "predict"])
def test_a_misspelt_argument_is_refused_with_the_nearest_one(verb: str) -> None:
    import inspect

    name = list(inspect.signature(getattr(liftune, verb)).parameters)[-1]
    with pytest.raises(SpecError, match=name):
        getattr(liftune, verb)(**{f"{name[:-1]}": 3})


def test_ipython_shows_it_so() -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    import contextlib

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        shell.run_cell("import liftune; liftune.inspect('nowhere.csv')")
    assert len(out.getvalue().strip().splitlines()) <= 4
