"""Lines of comments at the start of a delimited text; names to give columns that no line names."""

from __future__ import annotations

import re

import pytest

from liftune.data.load import load
from liftune.errors import DataError
from liftune.spec import DataSpec

THINGS = ("printer", "mailbox", "screen", "router", "phone")
ROWS = [("AB"[i % 2], f"the {THINGS[i % 5]} of room {i} stands still", ("sd", "b", "qy")[i % 3]) for i in range(24)]
COMMENTS = [
    "# corpus 1\n",
    "% made by hand\n% in 2024, twice\n",
    "// speakers, acts\n\n",
    "# corpus\n# a|b,c\td e\n\n# 3\n",
]


def lines(mark, header=None):
    rows = [mark.join(row) for row in ROWS]
    return "\n".join([mark.join(header), *rows] if header else rows) + "\n"


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize(("name", "mark"), [("x.csv", "|"), ("x.csv", ","), ("x.tsv", "\t"), ("x.csv", ";")])
@pytest.mark.parametrize("header", [None, ("speaker", "text", "label")])
def test_comments_at_the_start_are_left_out_and_said(tmp_path, comment, name, mark, header):
    path = tmp_path / name
    path.write_text(comment + lines(mark, header))
    spec = DataSpec(source=str(path))
    if header is None:
        with pytest.raises(DataError, match="looks like a row") as caught:
            load(spec, skip_bad_rows=False)
        assert "--columns column1,text,column3" in (caught.value.hint or "")
        spec = spec.model_copy(update={"columns": ("column1", "text", "column3")})
        with pytest.raises(DataError) as caught:
            load(spec, skip_bad_rows=False)
        assert "--label column1" in (caught.value.hint or "")
        assert "--label column3" in (caught.value.hint or "")
        spec = spec.model_copy(update={"label": "column3"})
    loaded = load(spec, skip_bad_rows=False)
    assert loaded.examples["train"].split.targets == tuple(row[2] for row in ROWS)
    [note] = [each for each in loaded.splits.audit.notes if "as comments" in each]
    assert comment.splitlines()[0] in note
    assert "--skip-lines 0" in note


@pytest.mark.parametrize("first", ["#,text,label", "#speaker,text,label", "//id,text,label"])
def test_a_header_that_begins_with_a_mark_is_a_header(tmp_path, first):
    path = tmp_path / "x.csv"
    path.write_text("# a corpus\n" + first + "\n" + lines(","))
    loaded = load(DataSpec(source=str(path)), skip_bad_rows=False)
    assert loaded.all_columns == tuple(first.split(","))


def test_a_row_that_begins_with_a_mark_is_a_row(tmp_path):
    path = tmp_path / "x.csv"
    texts = [("#" if i < 3 else "") + row[1] for i, row in enumerate(ROWS)]
    path.write_text("".join(f"{text},{row[2]}\n" for text, row in zip(texts, ROWS, strict=True)))
    loaded = load(DataSpec(source=str(path), columns=("text", "label")), skip_bad_rows=False)
    assert list(loaded.examples["train"].split.rows) == texts


@pytest.mark.parametrize(("order", "names"), [((1, 2), "text,label"), ((2, 1), "label,text")])
def test_the_only_column_of_classes_is_named_the_label(tmp_path, order, names):
    path = tmp_path / "x.csv"
    path.write_text("".join(",".join(row[i] for i in order) + "\n" for row in ROWS))
    with pytest.raises(DataError) as caught:
        load(DataSpec(source=str(path)), skip_bad_rows=False)
    assert re.search(r"--columns ([\w,]+)", caught.value.hint or "")[1] == names
