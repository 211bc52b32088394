"""Columns that nobody named: found by name and content, said with what to type otherwise, refused where unclear."""

from __future__ import annotations

import csv
import shlex

import pytest

from liftune.data import load_data
from liftune.data.column_profiles import profile
from liftune.data.inspect import inspect
from liftune.data.load import load
from liftune.errors import DataError
from liftune.spec import DataSpec, RunSpec

_WORDS = "the room was very clean and our breakfast came late but staff were kind to us all"
WORDS = _WORDS.split()


def sentence(i, words=9):
    return " ".join(WORDS[(i * (k + 3) + k * k) % len(WORDS)] for k in range(words)) + f" {i}"


def short(i):
    return f"{WORDS[i % 17]} {WORDS[i * 7 % 17]} again {i}"


VALUES = {
    "text": sentence,
    "long": lambda i: sentence(i, 40),
    "short": short,
    "two": lambda i: ("pos", "neg")[i % 2],
    "three": lambda i: ("positive", "neutral", "negative")[i % 3],
    "other": lambda i: ("red", "green", "blue", "black")[i // 2 % 4],
    "many": lambda i: f"{('Amsterdam', 'Berlin', 'Paris', 'Rome')[i % 4]} {i % 23}",
    "stars": lambda i: i % 5 + 1,
    "bit": lambda i: int(i % 3 == 0),
    "tick": lambda i: ("Yes", "No")[i % 2],
    "share": lambda i: (0, 0.33, 0.67, 1)[i % 4],
    "decimal": lambda i: round(0.3 + i / 977, 4),
    "id": lambda i: 1000 + i,
    "code": lambda i: f"A{i:05}x",
    "date": lambda i: f"2023-{i % 12 + 1:02}-{i % 28 + 1:02}",
    "stamp": lambda i: f"{i % 12 + 1}/{i % 28 + 1}/2023 {i % 24}:{i % 60:02}:07",
    "tweeted": lambda i: f"{i % 12 + 1:02}-{i % 28 + 1:02}-2020",
    "link": lambda i: f"https://example.org/{i}",
    "mail": lambda i: f"user{i}@example.org",
    "blank": lambda i: "",
    "rare": lambda i: "late flight" if i == 3 else "",
}


def made(path, head, rows=60, **more):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(head)
        out.writerows([VALUES[kind](i) for kind in head.values()] for i in range(rows))
    return DataSpec(source=str(path), **more)


def following(typed: str) -> DataSpec:
    """The data options of a command line that a message prints."""
    words = shlex.split(typed)
    assert words[:2] == ["liftune", "tune"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    return RunSpec.of(data=words[2], **{key[2:].replace("-", "_"): value for key, value in options.items()}).data


def typed_in(message: str) -> list[str]:
    """The commands in a message."""
    return [part.split("; ")[0].strip() for part in message.split(": ") if part.startswith("liftune tune")]


CLEAR = {
    "clothing": (
        {
            "": "id",
            "Clothing ID": "code",
            "Age": "id",
            "Title": "short",
            "Review Text": "long",
            "Rating": "stars",
            "Recommended IND": "bit",
            "Division Name": "other",
        },
        "Review Text",
        "Rating",
    ),
    "comments": ({"ID": "code", "Comment Text": "text", "Category": "two"}, "Comment Text", "Category"),
    "corona": (
        {
            "UserName": "id",
            "ScreenName": "id",
            "Location": "many",
            "TweetAt": "tweeted",
            "OriginalTweet": "text",
            "Sentiment": "three",
        },
        "OriginalTweet",
        "Sentiment",
    ),
    "alexa": (
        {"rating": "stars", "date": "date", "variation": "many", "verified_reviews": "text", "feedback": "bit"},
        "verified_reviews",
        "rating",
    ),
    "airline": (
        {
            "tweet_id": "id",
            "airline_sentiment": "three",
            "airline_sentiment_confidence": "share",
            "airline": "other",
            "airline_sentiment_gold": "rare",
            "name": "code",
            "text": "text",
            "tweet_created": "stamp",
        },
        "text",
        "airline_sentiment",
    ),
    "spam": ({"v1": "two", "v2": "text", "u3": "blank"}, "v2", "v1"),
    "form": (
        {"Timestamp": "stamp", "Email Address": "mail", "What did you like?": "text", "How was it?": "three"},
        "What did you like?",
        "How was it?",
    ),
    "tickets": ({"subject": "id", "body": "text", "queue": "other"}, "body", "queue"),
    "links": ({"url": "link", "story": "long", "kind": "other"}, "story", "kind"),
}


@pytest.mark.parametrize("case", CLEAR)
def test_columns_are_guessed_and_said_with_a_command_that_reads_the_same(tmp_path, case):
    head, text, label = CLEAR[case]
    spec = made(tmp_path / "x.csv", head)
    loaded = load(spec, skip_bad_rows=False)
    assert (loaded.columns.text, loaded.columns.label) == (text, label)
    [note] = [note for note in loaded.splits.audit.notes if note.startswith(("text column", "label column"))]
    [typed] = typed_in(note)
    assert load(following(typed), skip_bad_rows=False).splits.fingerprint == loaded.splits.fingerprint


def test_known_names_need_no_guess(tmp_path):
    loaded = load(made(tmp_path / "x.csv", {"id": "id", "text": "text", "label": "two"}), skip_bad_rows=False)
    assert not [note for note in loaded.splits.audit.notes if note.startswith(("text column", "label column"))]


UNCLEAR = {
    "two texts": {"pros": "text", "cons": "text", "Sentiment": "two"},
    "two labels": {"body": "text", "queue": "other", "priority": "three"},
    "a pair and a third text": {"title": "text", "question": "text", "answer": "text", "label": "two"},
    "labels in columns": {"id": "code", "comment_text": "text", "toxic": "bit", "threat": "bit", "insult": "bit"},
    "labels in columns of yes and no": {"Tweet": "text", "anger": "tick", "joy": "bit"},
    "labels in columns with commas": {"text": "text", "Toxic, severe": "bit", "mild": "bit"},
    "shares in columns": {"comment": "text", "violence": "share", "gender": "share"},
    "nothing known": {"a": "text", "b": "two", "c": "three"},
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_unclear_is_refused_with_commands_that_work(tmp_path, case):
    with pytest.raises(DataError) as caught:
        load_data(made(tmp_path / "x.csv", UNCLEAR[case]))
    commands = typed_in(caught.value.hint or "")
    assert commands
    for typed in commands:
        assert load_data(following(typed)).counts.train


AGREED = {
    "majority": {"comment": "text", "annotator_1": "three", "annotator_2": "three", "majority": "three"},
    "gold": {"text": "text", "label_1": "two", "label_2": "two", "label_gold": "two"},
    "final": {"text": "text", "code_ann": "two", "code_bob": "two", "final code": "two"},
    "consensus": {"Text": "text", "sentiment_a1": "two", "sentiment_a2": "two", "Consensus": "two"},
}


@pytest.mark.parametrize("case", AGREED)
def test_what_annotators_agreed_on_is_the_label_and_this_is_said(tmp_path, case):
    loaded = load(made(tmp_path / "x.csv", AGREED[case]), skip_bad_rows=False)
    assert loaded.columns.label == list(AGREED[case])[-1]
    assert any(f"label column {loaded.columns.label!r}, guessed" in note for note in loaded.splits.audit.notes)


def test_each_column_that_may_be_the_label_is_shown_with_its_values_the_likeliest_first(tmp_path):
    head = {"message": "text", "agent name": "two", "country": "two", "queue": "three", "status": "two"}
    with pytest.raises(DataError) as caught:
        load_data(made(tmp_path / "x.csv", head))
    hint = caught.value.hint or ""
    found = [following(typed).label for typed in typed_in(hint)]
    assert set(found[:2]) == {"queue", "status"}
    assert set(found[2:]) == {"agent name", "country"}
    values = {str(VALUES["three"](i)) for i in range(3)}
    assert all(repr(value) in hint for value in values)


def test_tags_of_some_rows_are_no_label_where_another_column_is(tmp_path):
    head = {"Description": "text", "Priority": "three", "Tags": "rare"}
    loaded = load(made(tmp_path / "x.csv", head), skip_bad_rows=False)
    assert loaded.columns.label == "Priority"


def test_a_label_in_another_language_is_known_by_its_name(tmp_path):
    for name in ("Kategorie", "Cat\u00e9gorie"):
        head = {"Nachricht": "text", "Kanal": "two", name: "three", "Datum": "date"}
        assert load(made(tmp_path / "x.csv", head), skip_bad_rows=False).columns.label == name


def test_columns_with_few_ticks_are_offered_with_the_others(tmp_path):
    rows = [
        f"Complaint {i} of a customer about it,{'x' * (i % 2)},{'x' * (i % 9 == 0)},{'X' * (i % 3 == 0)}"
        for i in range(60)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["Complaint,Billing,Staff,Product", *rows]))
    with pytest.raises(DataError) as caught:
        load_data(DataSpec(source=str(tmp_path / "x.csv")))
    [typed] = typed_in(caught.value.hint or "")
    assert load_data(following(typed)).labels == ("Billing", "Product", "Staff")


def test_labels_in_columns_are_offered_as_they_are_typed(tmp_path):
    with pytest.raises(DataError) as caught:
        load_data(made(tmp_path / "x.csv", UNCLEAR["labels in columns"]))
    assert "--label toxic,threat,insult" in (caught.value.hint or "")
    splits = load_data(following(typed_in(caught.value.hint or "")[0]))
    assert set(splits.labels) == {"toxic", "threat", "insult"}


@pytest.mark.parametrize("kind", ["stamp", "date", "link", "mail", "code"])
def test_the_only_column_left_is_no_text_if_it_holds_something_else(tmp_path, kind):
    spec = made(tmp_path / "x.csv", {"Timestamp": kind, "label": "two"})
    with pytest.raises(DataError, match="no text column"):
        load_data(spec)
    assert load_data(spec.model_copy(update={"text": "Timestamp"})).counts.train


@pytest.mark.parametrize("kind", ["stamp", "link", "id", "long"])
def test_the_only_column_left_is_no_label_if_it_holds_something_else(tmp_path, kind):
    with pytest.raises(DataError, match="no label column"):
        load_data(made(tmp_path / "x.csv", {"text": "text", "other": kind}))


def test_a_second_text_that_is_not_read_is_said_with_a_command_that_joins_it(tmp_path):
    spec = made(tmp_path / "x.csv", {"subject": "short", "body": "text", "label": "two"})
    loaded = load(spec, skip_bad_rows=False)
    assert loaded.columns.text == "body"
    [note] = [note for note in loaded.splits.audit.notes if "a text too" in note]
    both = load(following(typed_in(note)[0]), skip_bad_rows=False)
    assert both.columns.texts == ("subject", "body")


def test_several_text_columns_are_joined_with_their_names(tmp_path):
    spec = made(tmp_path / "x.csv", {"subject": "short", "body": "text", "label": "two"}, text="Subject,body")
    rows = load_data(spec).train.rows
    assert all(row.startswith("subject: ") and "\nbody: " in row for row in rows)
    found = inspect(spec)
    assert (found.columns.text, found.columns.others) == ("subject,body", ())


def test_a_blank_among_the_joined_texts_leaves_its_line_out(tmp_path):
    splits = load_data(made(tmp_path / "x.csv", {"note": "blank", "body": "text", "label": "two"}, text="note,body"))
    assert all(row.startswith("body: ") and "\n" not in row for row in splits.train.rows)


def test_joined_texts_have_one_form_in_every_part(tmp_path):
    spec = made(tmp_path / "a.csv", {"subject": "short", "body": "text", "label": "two"}, text="subject,body")
    made(tmp_path / "b.csv", {"Body": "text", "Subject": "short", "Label": "two"})
    splits = load_data(spec.model_copy(update={"test": str(tmp_path / "b.csv")}))
    assert all(row.startswith("subject: ") for row in splits.test.rows)


def test_a_question_with_a_label_for_an_answer_is_no_pair(tmp_path):
    loaded = load(
        made(tmp_path / "x.csv", {"question": "text", "answer": "tick", "passage": "long"}), skip_bad_rows=False
    )
    assert (loaded.columns.text, loaded.columns.text_pair, loaded.columns.label) == ("question", "passage", "answer")


def test_one_text_is_not_read_twice(tmp_path):
    with pytest.raises(DataError, match="two roles"):
        load_data(made(tmp_path / "x.csv", {"a": "text", "b": "text", "label": "two"}, text="a,b", text_pair="b"))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("stamp", "dates"),
        ("tweeted", "dates"),
        ("link", "links"),
        ("mail", "addresses"),
        ("id", "ids"),
        ("code", "ids"),
        ("stars", "numbers"),
        ("bit", "yes or no"),
        ("tick", "yes or no"),
        ("share", "shares"),
        ("text", "words"),
    ],
)
def test_a_profile_says_what_a_column_holds(kind, content):
    assert profile(kind, [str(VALUES[kind](i)) for i in range(60)]).content == content


@pytest.mark.parametrize(
    "cell", ["12 Jan 2021", "Tue Feb 24 11:35:52 -0800 2015", "2021-03-04T10:11:12Z", "3:15 pm", "May 3, 2019"]
)
def test_dates_are_known_in_many_forms(cell):
    assert profile("x", [cell] * 12).content == "dates"


def test_texts_without_blanks_are_texts():
    assert profile(
        "x", [f"\u623f\u9593\u975e\u5e38\u4e7e\u6de8\u65e9\u9910\u4e5f\u5f88\u597d{i}" for i in range(40)]
    ).is_text
