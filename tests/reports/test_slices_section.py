"""The section on slices: what it says, and that no value of a column can write markup."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from made_runs import made_run
from rich.console import Console

from liftune.records.base import Interval
from liftune.records.reading import read_record
from liftune.records.run import TuneRecord
from liftune.records.slices import SliceColumn, SliceGain, Slices, SliceScore
from liftune.reports.render.html import to_html
from liftune.reports.render.text import print_sections, to_markdown
from liftune.reports.sections.slices import slices

NASTY = '<script>alert("1")</script> | `x` \x1b[31m'


def score(value: str | None, rows: int, at: float, p: float | None = None, **more: object) -> SliceScore:
    return SliceScore(
        value=value,
        rows=rows,
        units=rows,
        score=Interval(value=at, low=at - 0.1, high=at + 0.1),
        rest=0.9,
        p_value=p,
        adjusted_p_value=p,
        **more,
    )


def found(*scores: SliceScore, **more: object) -> Slices:
    facts = {"metric": "accuracy", "contender": "tuned", "rows": 110, "unit": "row", "tests": 3, "least": 20}
    return Slices(columns=(SliceColumn(column="lang", slices=scores),), **{**facts, **more})


GAIN = SliceGain(gain=Interval(value=0.1, low=0.02, high=0.18), p_value=0.01, adjusted_p_value=0.03, verdict="better")


def record(path: Path, of: Slices) -> TuneRecord:
    return made_run(path, slices=of).record()


def text(section) -> str:
    out = StringIO()
    print_sections([section], Console(file=out, width=160))
    return out.getvalue()


def test_the_worst_slice_that_is_shown_to_be_worse_is_named(tmp_path):
    of = found(
        score("de", 40, 0.5, 0.001, verdict="worse", gain=GAIN),
        score("en", 69, 0.9, 0.5, verdict="undecided", gain=GAIN),
        score("fr", 1, 1.0, note="too few to test: 20 rows are the least"),
        against="probe",
    )
    made = slices(record(tmp_path / "r", of))
    said = " ".join(made.sentences)
    assert (
        "'lang': worse than the other examples: de (0.500 [0.400, 0.600] on 40, the others 0.900, p = 0.001)." in said
    )
    assert "3 tests, whose p-values are adjusted together by Holm's method" in said
    assert "without the 10 that leak" in said
    assert made.title == "Slices"
    assert made.tables[0].headings == (
        "lang",
        "examples",
        "accuracy",
        "others",
        "verdict, adjusted p",
        "gain over probe",
        "gain's verdict, adjusted p",
    )
    assert made.tables[0].right == {1, 2, 3}
    rows = made.tables[0].rows
    assert rows[0][:5] == ("de", "40", "0.500 [0.400, 0.600]", "0.900", "worse, p = 0.001")
    assert rows[0][5:] == ("+10.0 points [+2.0, +18.0]", "better, p = 0.03")
    assert rows[2][4:] == ("too few to test: 20 rows are the least", "-", "-")
    assert made.charts[0].names == ("de", "en", "fr")


def test_where_none_is_worse_it_says_that_one_is_always_the_worst(tmp_path):
    of = found(score("de", 40, 0.8, 0.6, verdict="undecided"), score(None, 70, 0.9, 0.6, verdict="undecided"))
    made = slices(record(tmp_path / "r", of))
    assert "no slice is shown to be worse" in made.sentences[1]
    assert "one of several is always the worst" in made.sentences[1]
    assert made.tables[0].rows[1][0] == "(no value)"
    assert made.tables[0].headings == ("lang", "examples", "accuracy", "others", "verdict, adjusted p")


def test_values_and_columns_are_escaped_everywhere(tmp_path):
    of = found(score(NASTY, 40, 0.5, 0.001, verdict="worse"), score("en", 70, 0.9, 0.4, verdict="undecided"))
    of = of.model_copy(update={"columns": (of.columns[0].model_copy(update={"column": NASTY}),)})
    kept = record(tmp_path / "r", of)
    assert "<script>alert" not in to_html(kept)
    assert "<script>" not in to_markdown(kept)
    assert "\x1b" not in text(slices(kept))


def test_it_goes_through_the_file_and_old_records_have_none(tmp_path):
    of = found(score("de", 40, 0.5, 0.001, verdict="worse", gain=GAIN), against="probe")
    folder = made_run(tmp_path / "r", slices=of)
    assert read_record(folder.path / "record.json", TuneRecord, "record").slices == of
    assert made_run(tmp_path / "old").record().slices is None
    assert slices(made_run(tmp_path / "older").record()) is None


@pytest.mark.parametrize(("tests", "says"), [(0, "None has the 20 examples"), (1, "1 test, whose")])
def test_it_says_how_many_tests_there_were(tmp_path, tests, says):
    of = found(score("de", 40, 0.5), score("en", 70, 0.9), tests=tests)
    assert says in slices(record(tmp_path / "r", of)).sentences[0]


def test_a_gain_without_a_verdict_beside_an_interval_above_zero_is_explained(tmp_path):
    """Three tests are corrected together; the interval is of one."""
    unlike = GAIN.model_copy(update={"adjusted_p_value": 0.08, "verdict": "undecided"})
    of = found(
        score("de", 40, 0.5, 0.001, verdict="worse", gain=GAIN),
        score("en", 70, 0.9, 0.5, verdict="undecided", gain=unlike),
        against="probe",
    )
    said = " ".join(slices(record(tmp_path, of)).sentences)
    assert "Gain on 'lang' en: the interval excludes zero, but is of this comparison alone" in said
    assert "de:" not in said
