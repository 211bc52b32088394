"""Which column is taken: filled ones, texts beside subtotals, names of labels, every annotator; what is said of it."""

from __future__ import annotations

import csv
import json
import shlex

import pytest
from workbooks import write_xlsx

from liftune.data.load import load
from liftune.data.readers.preamble import is_footer
from liftune.errors import DataError
from liftune.spec import DataSpec, RunSpec

THINGS = ("printer", "mailbox", "screen", "router", "phone")
TEXTS = [f"the {THINGS[i % 5]} of room {i} stands still since {i} o'clock" for i in range(30)]
KINDS = [("price", "quality", "service")[i % 3] for i in range(30)]


def written(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return DataSpec(source=str(path))


def refused(spec: DataSpec) -> tuple[DataError, list[DataSpec]]:
    """The error of a source, and what the commands of its hint ask for."""
    with pytest.raises(DataError) as caught:
        load(spec, skip_bad_rows=True)
    typed = [part.split("; ")[0] for part in (caught.value.hint or "").split(": ") if part.startswith("liftune tune")]
    found = []
    for words in map(shlex.split, typed):
        options = dict(zip(words[3::2], words[4::2], strict=True))
        given = {key[2:].replace("-", "_"): value for key, value in options.items()}
        found.append(RunSpec.of(data=words[2], **given).data)
    return caught.value, found


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("name", ["Remarks", "Notes by staff", "Beanstandung"])
def test_a_text_column_with_subtotals_is_the_text_column(tmp_path, kind, name):
    rows: list[list[object]] = []
    for i in range(24):
        rows.append([f"Acme {i // 3} Ltd", TEXTS[i], KINDS[i]])
        if i % 3 == 2:
            rows.append([f"Subtotal Acme {i // 3} Ltd", 3, None])
    path = tmp_path / f"x.{kind}"
    if kind == "csv":
        written(path, ["Account", name, "Reason"], rows)
    else:
        pytest.importorskip("python_calamine")
        write_xlsx(path, {"S": [["Account", name, "Reason"], *rows]})
    _, first = refused(DataSpec(source=str(path)))
    assert (first[0].text, first[0].label) == (name, "Reason")
    assert len(load(first[0], skip_bad_rows=True).examples["train"].split) == 24


@pytest.mark.parametrize("keys", [("color", "name"), ("id", "url", "name", "description"), ("color", "title")])
@pytest.mark.parametrize("deep", [False, True])
def test_the_name_of_a_label_comes_before_what_stands_beside_it(tmp_path, keys, deep):
    def label(kind):
        return {key: kind if key in ("name", "title") else f"{key}-{kind}" for key in keys}

    def labels(i):
        found = [label(kind) for kind in {KINDS[i], "all" if i % 4 else KINDS[i]}] if i % 5 else []
        return {"nodes": found} if deep else found

    rows = [{"node": {"title": TEXTS[i], "labels": labels(i)}} if deep else {"title": TEXTS[i], "labels": labels(i)}
            for i in range(30)]  # fmt: skip
    path = tmp_path / "x.json"
    path.write_text(json.dumps(rows))
    loaded = load(DataSpec(source=str(path)), skip_bad_rows=False)
    named = "title" if "title" in keys else "name"
    assert loaded.columns.label == f"node.labels.nodes.{named}" if deep else f"labels.{named}"
    assert set(loaded.splits.labels) == {"all", *KINDS}
    [note] = [each for each in loaded.splits.audit.notes if each.startswith(("text column", "label column"))]
    assert all(f"labels.nodes.{key}" in note if deep else f"labels.{key}" in note for key in keys)
    assert () in loaded.examples["train"].split.targets


STATISTICS = [
    ["Agreement (kappa)", "0.71", ""],
    ["Cohen's kappa", "0.71", "0.65"],
    ["Krippendorff's alpha:", ".8", ""],
    ["inter-rater agreement", "87 %", ""],
    ["\u00dcbereinstimmung", "0,71", ""],
    ["n = 12", "", ""],
    ["% agreement", "83", ""],
    ["Mean", "0.5", "0.4"],
]


@pytest.mark.parametrize("footer", STATISTICS)
def test_a_statistic_below_columns_of_words_is_a_footer_and_every_annotator_is_offered(tmp_path, footer):
    rows = [[TEXTS[i], "pos" if i % 2 else "neg", "pos" if i % 3 else "neg"] for i in range(12)]
    spec = written(tmp_path / "x.csv", ["text", "Coder A", "Coder B"], [*rows, footer])
    _, offered = refused(spec)
    assert [each.label for each in offered] == ["Coder A", "Coder B"]
    loaded = load(offered[0], skip_bad_rows=True)
    [bad] = loaded.bad_rows
    assert "is no row, but a footer" in bad.reason
    assert set(loaded.splits.labels) == {"pos", "neg"}


@pytest.mark.parametrize("row", [["Average", "3", ""], ["Mean people", "1", "1"], ["Agreement was slow", "2", ""]])
def test_a_short_text_with_a_number_for_its_label_is_a_row(row):
    assert not is_footer(row)


def test_annotators_of_many_spellings_and_the_few_final_ones_are_offered_and_row_ids_are_not(tmp_path):
    many = [f"pos{'?' * (i % 9)}" if i % 2 else "neg" for i in range(30)]
    rows = [[i + 1, f"R-{i:03}", TEXTS[i], many[i], *["pos" if i % k else "neg" for k in (2, 3)],
             "pos" if i % 10 == 0 else ""] for i in range(30)]  # fmt: skip
    header = ["#", "ref", "Comment text", "Coder A", "Coder B", "Coder C", "Final (if disagree)"]
    error, offered = refused(written(tmp_path / "x.csv", header, rows))
    assert {each.label for each in offered} == {*header[3:]}
    assert "'#'" not in (error.hint or "")
    assert "ref" not in (error.hint or "")


@pytest.mark.parametrize("names", [("Description", "Comment"), ("Summary", "Comment"), ("Details", "Text")])
def test_a_filled_text_comes_before_one_that_is_blank_in_most_rows(tmp_path, names):
    rows = [[TEXTS[i], KINDS[i], f"amy: looked into {TEXTS[i]}" if i % 3 == 0 else ""] for i in range(30)]
    spec = written(tmp_path / "x.csv", [names[0], "Labels", names[1]], rows)
    loaded = load(spec, skip_bad_rows=False)
    assert loaded.columns.text == names[0]
    notes = " ".join(loaded.splits.audit.notes)
    assert f"text column {names[0]!r}, as {names[1]!r} is blank in 67% of the rows" in notes
    assert load(spec.model_copy(update={"text": names[1]}), skip_bad_rows=True).columns.text == names[1]


def test_an_error_after_dropped_rows_names_the_columns_and_how_many_were_dropped(tmp_path):
    rows = [["done" if i % 3 == 0 else "", KINDS[i]] for i in range(30)]
    with pytest.raises(DataError) as caught:
        load(written(tmp_path / "x.csv", ["Comment", "Labels"], rows), skip_bad_rows=True)
    message = caught.value.message
    assert all(each in message for each in ("20 of 30 rows were dropped", "'Comment'", "'Labels'"))
    assert "row 2 (line 3): no text in column 'Comment'" in message


def test_who_did_the_work_is_no_clearer_a_label_than_columns_of_marks(tmp_path):
    """The handler's name was guessed beside four columns of crosses."""
    marks, names = ("x", "", "(x)", "-", "X", ""), ("Hr. Koç", "Fr. Maier")
    rows = [(TEXTS[i], marks[i % 6], marks[i // 2 % 6], names[i % 2]) for i in range(30)]
    spec = written(tmp_path / "marks.csv", ("Kundenaussage", "Preis", "Service", "Bearbeiter"), rows)
    error, asked = refused(spec)
    assert [each.label for each in asked] == ["Preis,Service", "Bearbeiter"], error
    assert load(asked[0], skip_bad_rows=True).splits.labels == ("Preis", "Service")
