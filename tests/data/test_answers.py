"""Answers that were made elsewhere: each finds its row and its label, or is refused, or is said."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_splits import SPLITS, N

from liftune.data.answer_rows import KeptIds
from liftune.data.answers import Answers, coverage_notes, read_answers
from liftune.data.load import load_data
from liftune.data.splits import Split, Splits
from liftune.errors import DataError, LiftuneError, SpecError
from liftune.evaluation.outside import Given, given_by
from liftune.option_values import Held
from liftune.records.base import TextColumns
from liftune.spec import IN_MEMORY, DataSpec, RunSpec
from liftune.tasks import TaskKind, task_of

Rows = list[dict[str, Any]]
#: Every test row with its text and its label.
TEST: Rows = [
    {"text": row, "answer": target} for row, target in zip(SPLITS.test.rows, SPLITS.test.targets, strict=True)
]


def read(rows: Rows | Path, splits: Splits = SPLITS, *, spec: DataSpec | None = None) -> Answers:
    source = str(rows) if isinstance(rows, Path) else Held(IN_MEMORY, rows)
    spec = spec or DataSpec()
    return read_answers("gpt", source, splits, spec, KeptIds(spec, splits))


def given(rows: Rows, splits: Splits = SPLITS) -> Given:
    return given_by(read(rows, splits), splits)


def right(found: Given, splits: Splits = SPLITS) -> float:
    """The share of test rows that are right."""
    return float(np.mean(task_of(splits.task).is_right(splits.encoded(splits.test), found.test)))


def splits_of(task: TaskKind, targets: Sequence[Any], labels: tuple[str, ...], *, pairs: bool = False) -> Splits:
    """The same rows in every part."""

    def part(name: str) -> Split:
        texts = tuple((f"{name} {i}", f"second {i}") if pairs else f"{name} {i}" for i in range(len(targets)))
        return Split(tuple(f"{name}:{i}" for i in range(len(targets))), texts, tuple(targets))

    parts = {name: part(name) for name in ("train", "validation", "test")}
    return dataclasses.replace(SPLITS, task=task, labels=labels, pairs=pairs, **parts)


# Which row ------------------------------------------------------------------------------------------------


def test_rows_are_found_by_their_texts_whatever_the_white_space() -> None:
    rows = [{**each, "text": f"  {each['text']} "} for each in reversed(TEST)]
    assert right(given(rows)) == 1.0


def test_rows_are_found_by_liftunes_own_ids() -> None:
    found = read([{"id": row, "answer": "a"} for row in SPLITS.test.ids])
    assert set(found.targets) == set(SPLITS.test.ids)
    assert "row id" in found.by


def test_rows_are_found_by_a_column_of_the_data(tmp_path: Path) -> None:
    """The user's own ids, which no part of a run holds, are read from the data again."""
    lines = [json.dumps({"text": f"text {i}", "label": "ab"[i % 2], "Ticket_ID": 1000 + i}) for i in range(60)]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(lines), encoding="utf-8")
    spec = DataSpec(source=str(data), text="text", label="label")
    splits = load_data(spec)
    answers = tmp_path / "gpt.csv"
    answers.write_text("ticket_id,gpt\n" + "".join(f"{1000 + i},{'ab'[i % 2]}\n" for i in range(60)), encoding="utf-8")
    found = read_answers("gpt", str(answers), splits, spec, KeptIds(spec))
    assert found.by == "by 'ticket_id', a column of the data"
    assert right(given_by(found, splits), splits) == 1.0


@pytest.mark.parametrize("alike", [False, True])
def test_an_id_of_several_rows_is_named_where_the_rows_differ(alike: bool, tmp_path: Path) -> None:
    """One such id is no reason to say that no id is known, and of one text twice it leaves no doubt."""
    data = tmp_path / "rows.jsonl"
    texts = ["text 0" if i in (0, 7) and alike else f"text {i}" for i in range(60)]
    lines = [{"text": text, "label": "ab"[i % 2], "id": f"e{0 if i == 7 else i}"} for i, text in enumerate(texts)]
    data.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    spec = DataSpec(source=str(data), text="text", label="label", test=str(data))
    splits = load_data(spec)
    rows = [{"id": line["id"], "answer": "a"} for line in lines if line["id"] != "e7"]
    if alike:
        assert set(read_answers("gpt", Held(IN_MEMORY, rows), splits, spec, KeptIds(spec)).targets) >= set(
            splits.test.ids
        )
        return
    with pytest.raises(
        DataError, match="the id 'e0' occurs 2 times in column 'id' of the data, for different"
    ) as error:
        read_answers("gpt", Held(IN_MEMORY, rows), splits, spec, KeptIds(spec))
    assert "give each row of the data an id of its own" in str(error.value.hint)
    assert "no id of the data" not in str(error.value)
    by_text = [{**row, "text": f"text {str(row['id'])[1:]}"} for row in rows]
    found = read_answers("gpt", Held(IN_MEMORY, by_text), splits, spec, KeptIds(spec))
    assert any("the id 'e0' occurs 2 times" in note for note in found.notes)


def test_an_id_that_a_service_calls_its_own_way_is_that_of_the_data(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": f"text {i}", "label": "ab"[i % 2], "ticket_id": 1000 + i}) for i in range(60)]
    data.write_text("\n".join(lines), encoding="utf-8")
    spec = DataSpec(source=str(data), text="text", label="label")
    splits = load_data(spec)
    rows = [{"custom_id": f"{1000 + i}", "content": "ab"[i % 2]} for i in range(60)]
    found = read_answers("gpt", Held(IN_MEMORY, rows), splits, spec, KeptIds(spec))
    assert "which are those in 'ticket_id' of the data" in found.by
    assert right(given_by(found, splits), splits) == 1.0
    with pytest.raises(DataError) as error:
        read_answers("gpt", Held(IN_MEMORY, [{**rows[0], "custom_id": "7"}]), splits, spec, KeptIds(spec))
    assert "such as ticket_id" in str(error.value.hint)


def test_a_pair_is_found_by_both_texts() -> None:
    splits = splits_of(TaskKind.SINGLE_LABEL, ["a", "b"] * 3, ("a", "b"), pairs=True)
    rows = [
        {"text": row[0], "text_pair": row[1], "answer": target}
        for row, target in zip(splits.test.rows, splits.test.targets, strict=True)
    ]
    assert right(given(rows, splits), splits) == 1.0
    with pytest.raises(DataError, match="no texts"):
        read([{"text": "test 0", "answer": "a"}], splits)


def test_texts_joined_of_several_columns_are_found_by_these_columns() -> None:
    columns = TextColumns(texts=("subject", "body"))
    texts = tuple(f"subject: s{i}\nbody: b{i}" for i in range(N))
    splits = dataclasses.replace(SPLITS, columns=columns, test=dataclasses.replace(SPLITS.test, rows=texts))
    rows = [{"Subject": f"s{i}", "body": f"b{i}", "answer": "ab"[i % 2]} for i in range(N)]
    assert right(given(rows, splits), splits) == 1.0


def test_ids_of_other_rows_are_refused_and_a_few_other_texts_are_said() -> None:
    ids = SPLITS.test.ids
    rows = [{"id": ids[(i + 1) % N], **each} for i, each in enumerate(TEST)]
    with pytest.raises(DataError, match="those of other rows") as error:
        read(rows)
    assert "leave the column 'id' out" in str(error.value.hint)
    assert read([{key: value for key, value in each.items() if key != "id"} for each in rows]).targets
    few = [{"id": ids[i], **each, **({"text": "another"} if i < 3 else {})} for i, each in enumerate(TEST)]
    assert any("3 of 200" in note for note in read(few).notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "no such text", "answer": "a"}], "no row of gpt is one of the data"),
        ([{"text": "train 1", "answer": "a"}], "train or validation alone"),
        ([{"answer": "a"}], "which rows gpt answers is not known"),
        ([{"id": 7, "answer": "a"}], "no id of the data"),
        ([{"text": "test 1", "answer": None}, {"text": "test 2", "answer": None}], "has an answer"),
        ([{"text": "test 1", "x": "a", "y2": "b"}], "no column holds the answers"),
    ],
)
def test_a_file_that_answers_nothing_is_refused(rows: Rows, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(rows)
    assert error.value.where
    assert error.value.hint


def test_rows_without_an_answer_count_as_wrong_and_are_said() -> None:
    found = given(TEST[:150])
    assert right(found) == 0.75
    assert found.about.answered == 150
    assert found.unanswered.sum() == 50
    said = " ".join(coverage_notes(read(TEST[:150]), SPLITS))
    assert "150 of 200" in said
    assert "50 other test rows count as wrong, such as test:150" in said


def test_rows_that_are_none_of_the_datas_are_said() -> None:
    found = read([*TEST, {"text": "unknown", "answer": "a"}])
    assert any(note.startswith("1 row of the file is none of the data's") and "201" in note for note in found.notes)


def test_one_text_of_several_rows_answers_all_of_them() -> None:
    test = dataclasses.replace(SPLITS.test, rows=("same",) * N, targets=("a",) * N)
    found = given([{"text": "same", "answer": "a"}], dataclasses.replace(SPLITS, test=test))
    assert found.about.answered == N


def test_doubles_that_agree_are_said_and_those_that_differ_refused() -> None:
    assert any("repeat" in note for note in read([*TEST, TEST[0]]).notes)
    with pytest.raises(DataError, match=r"answers one row twice, differently: 'a' in row 1, 'b' in row 201") as error:
        read([*TEST, {**TEST[0], "answer": "b"}])
    assert error.value.where is not None
    assert "row 201" in error.value.where


# Which label ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["A", " a ", "a.", "A\u200b"])
def test_spelling_variants_are_the_datas_labels_and_said(spelling: str) -> None:
    found = read([{**each, "answer": spelling if each["answer"] == "a" else "b"} for each in TEST])
    assert set(found.targets.values()) == {"a", "b"}
    if spelling.strip() != "a":
        assert any("read as labels that are spelt otherwise" in note for note in found.notes)


def test_two_spellings_of_one_label_are_both_read() -> None:
    found = read(
        [{**each, "answer": each["answer"].upper() if i % 3 else each["answer"]} for i, each in enumerate(TEST)]
    )
    assert set(found.targets.values()) == {"a", "b"}


def test_unknown_labels_are_refused_with_what_the_data_have() -> None:
    with pytest.raises(DataError, match=r"no label here: 'c' \(1\).*'a', 'b'") as error:
        read([*TEST[1:], {**TEST[0], "answer": "c"}])
    assert "empty" in str(error.value.hint)
    blank = read([*TEST[1:], {**TEST[0], "answer": ""}])
    assert len(blank.targets) == N - 1, "the hint, followed"


@pytest.mark.parametrize(
    ("answer", "labels", "near"),
    [
        ("Politics", ("Sports", "World"), None),
        ("not spam", ("ham", "spam"), None),
        ("Sprots", ("Sports", "World"), "Sports"),
    ],
)
def test_only_a_label_that_is_really_near_is_suggested(answer: str, labels: tuple[str, ...], near: str | None) -> None:
    splits = splits_of(TaskKind.SINGLE_LABEL, labels, labels)
    with pytest.raises(DataError, match="no label here") as error:
        read([{"text": "test 0", "answer": answer}, {"text": "test 1", "answer": labels[1]}], splits)
    assert (f"did you mean {near}?" if near else "; the labels are") in error.value.message
    assert ("did you mean" in error.value.message) == bool(near)


def test_words_for_nothing_are_no_answers() -> None:
    found = read([{**each, "answer": "N/A" if i < 5 else each["answer"]} for i, each in enumerate(TEST)])
    assert len(found.targets) == N - 5
    assert any("5 answers are 'N/A'" in note for note in found.notes)


def test_a_label_that_train_lacks_counts_as_wrong_and_is_said() -> None:
    test = dataclasses.replace(SPLITS.test, targets=("c", *SPLITS.test.targets[1:]))
    splits = dataclasses.replace(SPLITS, test=test, unseen=("c",))
    rows = [{"text": row, "answer": target} for row, target in zip(test.rows, test.targets, strict=True)]
    assert right(given(rows, splits), splits) == 1 - 1 / N
    assert any("does not have" in note for note in coverage_notes(read(rows, splits), splits))


def test_the_column_of_answers_comes_before_that_of_labels() -> None:
    rows = [{"text": each["text"], "label": each["answer"], "gpt": "a"} for each in TEST]
    found = read(rows)
    assert set(found.targets.values()) == {"a"}
    assert any("'gpt', not 'label'" in note for note in found.notes)
    copy = [{"text": each["text"], "label": each["answer"]} for each in TEST]
    assert any("no copy of it" in each for each in read(copy).warnings)


def test_several_labels_and_none_are_answers(tmp_path: Path) -> None:
    targets = [("x", "y"), ("x",), ()] * 4
    splits = splits_of(TaskKind.MULTI_LABEL, targets, ("x", "y"))
    rows = [{"text": row, "answer": list(target)} for row, target in zip(splits.test.rows, targets, strict=True)]
    assert right(given(rows, splits), splits) == 1.0
    assert right(given(rows[:6], splits), splits) == 0.5, "rows without an answer are wrong, also where none is right"
    path = tmp_path / "answers.csv"
    path.write_text(
        "text,x,y\n" + "".join(f"test {i},{int('x' in t)},{int('y' in t)}\n" for i, t in enumerate(targets))
    )
    assert right(given_by(read(path, splits), splits), splits) == 1.0


MARKS = [("x", "y"), ("x",), ()] * 4


def marked(*words: str, labels: str = "xy") -> Rows:
    """Rows with a column of 0 and 1 for each label, behind each of the words; those of other words are all 0."""
    return [
        {"text": f"test {i}"}
        | {f"{word}{label}": int(label in target and word == words[0]) for word in words for label in labels}
        for i, target in enumerate(MARKS)
    ]


@pytest.mark.parametrize(
    "words", [("",), ("label_",), ("pred_",), ("is ",), ("labels.",), ("gpt_", "old_"), ("answer: ", "x of ")]
)
def test_columns_of_marks_are_found_behind_one_word(words: tuple[str, ...]) -> None:
    splits = splits_of(TaskKind.MULTI_LABEL, MARKS, ("x", "y"))
    assert right(given_by(read(marked(*words), splits), splits), splits) == 1.0


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        (marked("new_", "old_"), "write lists of labels in one column, or give every label a column of 0 and 1"),
        ([{**row, "note": "n"} for row in marked("", labels="x")], "give every label a column, as 'y' has none"),
    ],
)
def test_marks_that_could_be_others_or_that_some_label_lacks_are_refused(rows: Rows, hint: str) -> None:
    splits = splits_of(TaskKind.MULTI_LABEL, MARKS, ("x", "y"))
    with pytest.raises(DataError, match="no column holds the answers") as error:
        read(rows, splits)
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize("separator", ["|", ";", ", ", "\n"])
def test_known_labels_beside_each_other_are_several(separator: str) -> None:
    """As `label --import` reads them; another label in such a cell is named by itself."""
    targets = [("x", "y"), ("x",), ("y",)] * 4
    splits = splits_of(TaskKind.MULTI_LABEL, targets, ("x", "y"))
    cells = [separator.join(reversed(target)) for target in targets]
    rows = [{"text": text, "answer": cell} for text, cell in zip(splits.test.rows, cells, strict=True)]
    found = read(rows, splits)
    assert right(given_by(found, splits), splits) == 1.0
    assert any(f"4 answers with {separator.strip(' ')!r} between known labels" in note for note in found.notes)
    mixed = [*rows[:3], {**rows[3], "answer": '["x", "y"]'}, {**rows[4], "answer": "X"}]
    assert read(mixed, splits).targets[splits.test.ids[3]] == ("x", "y")
    with pytest.raises(DataError, match="no label here: 'z'"):
        read([{**rows[0], "answer": f"x{separator}z"}], splits)


def test_numbers_are_answers_and_the_mean_stands_for_those_that_lack() -> None:
    targets = [0.5, 1.5, 2.5, 3.5]
    splits = splits_of(TaskKind.REGRESSION, targets, ())
    rows = [{"text": row, "score": target} for row, target in zip(splits.test.rows, targets, strict=True)]
    found = given(rows[:3], splits)
    np.testing.assert_allclose(found.test[:, 0], [0.5, 1.5, 2.5, 2.0])
    with pytest.raises(DataError, match="not a finite number"):
        read([*rows[1:], {"text": "test 0", "score": "many"}], splits)


def test_answers_that_are_the_datas_own_labels_name_what_they_are_read_from() -> None:
    shares: Rows = [{"text": each["text"], "a": each["answer"] == "a", "b": each["answer"] == "b"} for each in TEST]
    (note,) = read(shares).warnings
    assert "None" not in note
    assert "by the probabilities of each label" in note


@pytest.mark.parametrize(
    ("rows", "wrong", "warned"), [(200, 0, "all 200"), (200, 1, "all but 1 of 200"), (200, 2, None), (89, 0, None)]
)
def test_answers_that_are_hardly_ever_other_than_the_labels_are_warned_of(
    rows: int, wrong: int, warned: str | None
) -> None:
    """A file with the labels under the name `answer` was compared like any other, and won."""
    splits = splits_of(TaskKind.SINGLE_LABEL, ["a", "b"] * (rows // 2) + ["a"] * (rows % 2), ("a", "b"))
    given = list(splits.test.targets)
    for i in range(wrong):
        given[i] = "b" if given[i] == "a" else "a"
    found = read([{"text": row, "answer": each} for row, each in zip(splits.test.rows, given, strict=True)], splits)
    if warned is None:
        assert not found.warnings
    else:
        (said,) = found.warnings
        assert warned in said
        assert given_by(found, splits).about.warnings == found.warnings, "the record has it, and so Python and JSON"


def test_a_hint_names_no_option_that_would_change_the_run() -> None:
    splits = splits_of(TaskKind.REGRESSION, [0.5, 1.5], ())
    with pytest.raises(DataError) as error:
        read([{"text": "test 0", "score": "many"}, {"text": "test 1", "score": 1}], splits)
    assert "--" not in (error.value.hint or "")
    assert "number" in (error.value.hint or "")


@pytest.mark.parametrize("answers", [["gpt=a.csv", "gpt=b.csv"], ["tuned=a.csv"], ["a/b=a.csv"]])
def test_a_hint_speaks_of_a_range_only_where_the_message_names_one(answers: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        RunSpec.of(answers=answers)
    assert error.value.hint == "correct what is named above"
    with pytest.raises(SpecError, match="must be") as error:
        RunSpec.of(epochs=-1)
    assert "type and range" in str(error.value.hint)


def test_what_is_no_file_of_answers_is_named_by_its_option(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a folder, not a file"), (tmp_path / "missing.csv", "no such file")):
        with pytest.raises(DataError, match=said) as error:
            read(path)
        assert str(error.value.where).startswith("--answers gpt=")
        assert "hub" not in str(error.value.hint)


# Probabilities ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        lambda p: {"a": p, "b": 1 - p},
        lambda p: {"prob_a": p, "prob_b": 1 - p},
        lambda p: {"P(a)": p, "P(b)": 1 - p},
        lambda p: {"probabilities": {"a": p, "b": 1 - p}},
        lambda p: {"probabilities": json.dumps({"a": p, "b": 1 - p})},
    ],
)
def test_probabilities_are_taken_where_the_file_has_them(columns: Any) -> None:
    rows = [{**each, **columns(0.8 if each["answer"] == "a" else 0.3)} for each in TEST]
    found = given(rows)
    assert found.about.probabilities
    shares = task_of(SPLITS.task).probabilities(found.test)
    np.testing.assert_allclose(shares[:2], [[0.8, 0.2], [0.3, 0.7]], atol=1e-6)
    alone = given([{key: value for key, value in each.items() if key != "answer"} for each in rows])
    np.testing.assert_allclose(alone.test, found.test, atol=1e-6)


def test_one_probability_is_that_of_the_answer() -> None:
    rows: Rows = [{**each, "confidence": 90 if i % 2 else "60 %"} for i, each in enumerate(TEST)]
    shares = task_of(SPLITS.task).probabilities(given(rows).test)
    np.testing.assert_allclose(shares[:2], [[0.6, 0.4], [0.1, 0.9]], atol=1e-6)
    low = [{**each, "score": 0.1} for each in TEST]
    assert not given(low).about.probabilities, "no probability of the answer: it would not be the likeliest"


def test_the_answer_counts_where_its_probability_is_not_the_highest() -> None:
    rows = [{**each, "a": 0.9, "b": 0.1} for each in TEST]
    assert right(given(rows)) == 1.0
    assert any("100 answers are not the label" in note for note in read(rows).notes)


def test_probabilities_that_are_none_are_refused_or_said() -> None:
    with pytest.raises(DataError, match="not a number from 0 to 1"):
        read([{**each, "prob_a": -1.2, "prob_b": 0.5} for each in TEST])
    assert any("divided by their sum" in note for note in read([{**each, "a": 3, "b": 1} for each in TEST]).notes)
    some = [{**each, "a": 0.6 if i else None, "b": 0.4} for i, each in enumerate(TEST)]
    assert any("1 answer has no probabilities" in note for note in read(some).notes)


def test_probabilities_of_unknown_labels_are_refused_as_answers_are() -> None:
    """{"A ": .4, "bb": .6} became a, 1.0."""
    for held in ({"A ": 0.4, "bb": 0.6}, {"a": 0.4, "A": 0.6}):
        for rows in (TEST, [{"text": each["text"]} for each in TEST]):
            with pytest.raises(DataError, match=r"no label here: 'bb'|'a' has two probabilities") as error:
                read([{**each, "probabilities": held} for each in rows])
            assert error.value.where
            assert error.value.hint
    spelt = read([{**each, "probabilities": {"A ": 0.4, "B": 0.6}} for each in TEST])
    assert spelt.shares is not None
    assert set(spelt.shares.values()) == {(0.4, 0.6)}
    assert any("'A ' as 'a', 'B' as 'b'" in note for note in spelt.notes)


def test_labels_without_a_probability_are_said() -> None:
    held = [{**each, "probabilities": {each["answer"]: 1.0}} for each in TEST]
    answers = [each["answer"] for each in TEST]
    for label, other in (("a", "b"), ("b", "a")):
        lacking = f"{label!r} ({answers.count(other)})"
        assert any("have 0 there: " in note and lacking in note for note in read(held).notes)
    unseen = dataclasses.replace(SPLITS, unseen=("c",))
    left_out = read([{**each, "probabilities": {"a": 0.5, "b": 0.4, "c": 0.1}} for each in TEST], unseen)
    assert any(f"left out: 'c' ({N})" in note for note in left_out.notes)
    for columns in ({"a": 0.6}, {"prob_a": 0.6}):
        found = read([{**each, **columns} for each in TEST])
        assert found.shares is None
        assert any("1 label has a column of its own ('a'), and 'b' has none" in note for note in found.notes)
    more = read([{**each, "prob_a": 0.6, "prob_b": 0.4, "prob_bb": 0.1} for each in TEST])
    assert more.shares is not None
    assert any("of no label here are not used: prob_bb" in note for note in more.notes)


# Validation ------------------------------------------------------------------------------------------------


def test_validation_counts_only_where_it_is_answered_as_fully_as_test() -> None:
    validation = [{"text": f"validation {i}", "answer": "a"} for i in range(N)]
    assert not given(TEST).about.chosen_on_validation
    assert not given([*TEST, *validation[:100]]).about.chosen_on_validation
    assert given([*TEST, *validation]).about.chosen_on_validation
    assert given([*TEST[:100], *validation[:100]]).about.chosen_on_validation


@pytest.mark.parametrize("given", [["a", "b"] * 4, (["t"], ["a"], ["x"])])
def test_answers_without_what_they_are_for_are_refused_with_what_to_give(given: object) -> None:
    with pytest.raises(LiftuneError) as error:
        read(given)  # type: ignore[arg-type]
    assert 'pandas.DataFrame({"text": texts, "answer": answers})' in (error.value.hint or "")


def test_answers_that_were_in_memory_must_be_given_again() -> None:
    with pytest.raises(LiftuneError, match="were in memory"):
        read_answers("gpt", IN_MEMORY, SPLITS, DataSpec(), KeptIds(DataSpec(), SPLITS))
