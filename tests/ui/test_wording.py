"""What the command line says, in the words of the page: real errors and notes, held against the page's own fields."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tuning_page import page, sent

from liftune.errors import LiftuneError
from liftune.spec import OPTIONS
from liftune.ui.pages import FRONT
from liftune.ui.wording import FIELDS, KINDS, for_page, hint_for_page, note_for_page

PAGE = (Path(__file__).parents[2] / "src" / "liftune" / "ui" / "static" / FRONT).read_text(encoding="utf-8")


def test_every_field_that_a_message_may_name_is_on_the_page_and_stands_for_an_option() -> None:
    for name in (*FIELDS.values(), *KINDS.values()):
        assert re.search(rf">\s*{re.escape(name)}\b", PAGE), name
    assert set(FIELDS) <= {f"--{name}".replace("_", "-") for name in OPTIONS}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("first,second\n" + "a fine day,a bad day\n" * 20, "Label column"),
        ("a,b,c\n1,2,3\n4,5,6\n", "Text column"),
        ("text,label\n" + "".join(f"day {i},{i}.5 or so\n" for i in range(20)), "Label column"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_fields_of_the_page(content: str, named: str, tmp_path: Path) -> None:
    """Through the real command: what it hints at must be there for the person at the page."""
    with page(tmp_path) as client:
        upload = sent(client, content.encode()).json()
        response = client.post("/api/inspections", json={"upload": upload["id"]})
        assert response.status_code == 422, response.text
        problem = response.json()
        said = f"{problem['detail']} {problem.get('where', '')} {problem['hint']}"
        assert f"“{named}" in said or named == problem.get("where")
        assert not [each for each in re.findall(r"--[a-z][a-z-]*", said) if each in FIELDS]


@pytest.mark.parametrize(
    ("hint", "wanted"),
    [
        (
            "read them as numbers with --task regression, or name another column with --label",
            "read them as numbers with “Kind of task: a number per text”, or name another column with “Label column”",
        ),
        ("add rows below the header line, or say that it is a row with --no-header", "add rows below the header line"),
        (
            "fix it, or drop such rows with --skip-bad-rows",
            "fix it, or drop such rows with “Leave out rows that cannot be used”",
        ),
        ("tune with two seeds or more: --seeds 0,1,2", "tune with two seeds or more: “Seeds: 3”"),
        ("choose another method: --method full", "choose another method: “Method: full”"),
        ("send a smaller file; or start `liftune ui` with --limit rows=N",) * 2,
        ("check the file",) * 2,
    ],
)
def test_a_hint_names_fields_and_leaves_out_what_the_page_cannot_do(hint: str, wanted: str) -> None:
    assert hint_for_page(hint) == wanted


def test_where_the_page_can_do_nothing_that_is_said() -> None:
    found = hint_for_page("name train rows with --split train=NAME, or take all rows together with --split-column none")
    assert found.endswith(
        "The page has no field for --split and --split-column: change the file, or run `liftune tune` in a terminal"
    )


def test_an_error_and_a_note_keep_all_else() -> None:
    error = for_page(LiftuneError("5 rows lack a label", where="--label", hint=None))
    assert (error.message, error.where, error.hint) == ("5 rows lack a label", "Label column", None)
    note = "column 'part' names each row's part: test = b (9 rows). --split-column none ignores it"
    assert note_for_page(note) == "column 'part' names each row's part: test = b (9 rows)."
    few = "60 test examples detect only large gains; --folds 5 would test on all 600 examples."
    assert note_for_page(few) == "60 test examples detect only large gains."
    assert note_for_page("a text with --dashes in it") == "a text with --dashes in it"
