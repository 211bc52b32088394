"""What labels mean, from every kind of file; one that misses a label is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.data.descriptions import names_as_words, read_descriptions
from liftune.errors import DataError, LiftuneError, SpecError
from liftune.option_values import Held
from liftune.spec import IN_MEMORY

LABELS = ("joy", "card_arrival")
JOY, CARD = "the writer is happy", "where is my card"
FILES = {
    "a.json": f'{{"joy": "{JOY}", "card_arrival": "where is my  card"}}',
    "b.json": f'[{{"label": "joy", "description": "{JOY}"}}, {{"label": "card_arrival", "description": "{CARD}"}}]',
    "a.toml": f'joy = "{JOY}"\ncard_arrival = "{CARD}"\n',
    "b.toml": f'[labels]\njoy = "{JOY}"\ncard_arrival = "{CARD}"\n',
    "a.csv": f"label,description\njoy,{JOY}\ncard_arrival,{CARD}\n",
    "b.csv": f"intent,what people want\njoy,{JOY}\ncard_arrival,{CARD}\n",
    "a.jsonl": f'{{"label": "joy", "text": "{JOY}"}}\n{{"label": "card_arrival", "text": "{CARD}"}}\n',
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_describes_labels(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    found = read_descriptions(str(path), LABELS)
    assert found.texts == {"joy": "the writer is happy", "card_arrival": "where is my card"}
    assert found.given


def test_a_mapping_and_a_table_in_memory_do_too() -> None:
    mapping = {"joy": "happy", "card_arrival": "a card"}
    rows = [{"label": label, "description": text} for label, text in mapping.items()]
    for held in (mapping, rows):
        assert read_descriptions(Held(IN_MEMORY, held), LABELS).texts == mapping
    with pytest.raises(SpecError, match="were in memory"):
        read_descriptions(IN_MEMORY, LABELS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"joy": "a"}', "1 of 2 labels have no description: 'card_arrival'"),
        ('{"joy": "", "card_arrival": "b"}', "'joy' has no description"),
        ('{"joy": 3, "card_arrival": "b"}', "is no text"),
        ('{"joy": "b", "card_arrival": "B "}', "2 of 2 labels have the same description, 'b': 'joy', 'card_arrival'"),
        ('{"joy": "a", "joy": "b"}', "joy"),
        ("[]", "no rows|no row"),
        ("{}", "the file describes no label"),
        ('["a"]', "the only column is 'text'"),
        ("{", "cannot read"),
    ],
)
def test_descriptions_that_lack_something_are_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LiftuneError, match=said) as error:
        read_descriptions(str(path), LABELS)
    assert error.value.hint


def test_a_label_described_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,description\njoy,a\njoy,b\ncard_arrival,c\n", encoding="utf-8")
    with pytest.raises(DataError, match="'joy' is described twice"):
        read_descriptions(str(path), LABELS)


def test_what_is_no_file_is_named_by_its_option(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder, not a file"), (tmp_path / "missing.csv", "no such file")):
        with pytest.raises(LiftuneError, match=said) as error:
            read_descriptions(str(path), LABELS)
        assert str(error.value.where).startswith("--describe ")
        assert "hub" not in str(error.value.hint)


def test_other_spellings_are_taken_and_other_labels_said() -> None:
    held = Held(IN_MEMORY, {"Joy": "happy", "card arrival": "a card", "fear": "afraid"})
    found = read_descriptions(held, LABELS)
    assert found.texts == {"joy": "happy", "card_arrival": "a card"}
    assert len(found.notes) == 3
    assert "'fear'" in found.notes[-1]


def test_names_are_words_unless_they_say_nothing() -> None:
    assert names_as_words(LABELS).texts == {"joy": "joy", "card_arrival": "card arrival"}
    for labels in (("0", "1"), ("A", "B"), ("joy", "7")):
        with pytest.raises(SpecError, match="nothing to a model"):
            names_as_words(labels)
