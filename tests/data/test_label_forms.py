"""How labels are written: lists as text, 0 and 1 by position or by column, codes, separators. Never in silence."""

from __future__ import annotations

import csv
import json

import pytest

from liftune.data import load_data
from liftune.data.label_lists import listed
from liftune.data.load import load
from liftune.data.recognise import Wanted, recognise
from liftune.errors import DataError
from liftune.option_values import fields
from liftune.spec import DataSpec, RunSpec
from liftune.tasks import TaskKind

SINGLE, MULTI, REGRESSION = TaskKind


def jsonl(path, labels, **more):
    rows = [{"text": f"text number {i}", "labels": label} for i, label in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataSpec(source=str(path), **more)


def written(path, labels, **more):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("text", "labels"))
        out.writerows((f"text number {i}", label) for i, label in enumerate(labels))
    return DataSpec(source=str(path), **more)


def columns(path, head, rows, **more):
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(("text", *head))
        out.writerows((f"text number {i}", *row) for i, row in enumerate(rows))
    return DataSpec(source=str(path), **more)


def targets(splits):
    by_number = {}
    for part in (splits.train, splits.validation, splits.test):
        by_number |= {int(id_.split(":")[1]): target for id_, target in zip(part.ids, part.targets, strict=True)}
    return [by_number[i] for i in sorted(by_number)]


# Lists within a text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["joy", "fear"]', ["joy", "fear"]),
        ("['joy', 'fear']", ["joy", "fear"]),
        ("('joy', 'fear')", ["joy", "fear"]),
        ("('joy',)", ["joy"]),
        ("{'joy', 'fear'}", ["fear", "joy"]),
        ("['joy' 'fear']", ["joy", "fear"]),
        ("array(['joy', 'fear'], dtype=object)", ["joy", "fear"]),
        ("frozenset({'joy'})", ["joy"]),
        ("set()", []),
        ("[0 1 0]", [0, 1, 0]),
        ("[0. 1. 0.]", [0.0, 1.0, 0.0]),
        ("[ True False]", [True, False]),
        ("[np.int64(3), np.int64(10)]", [3, 10]),
        ("{'joy': 1, 'fear': 0}", {"joy": 1, "fear": 0}),
        ("[]", []),
        ("joy", None),
        ("(misc)", None),
        ("[misc]", None),
        ("(1)", None),
        ("[__import__('os')]", None),
        ("[" * 5_000 + "]" * 5_000, None),
        ("[" + "1," * 20_000 + "]", None),
    ],
)
def test_a_list_within_a_text_is_read_and_nothing_is_run(text, value):
    assert listed(text) == value


@pytest.mark.parametrize(
    "write",
    [
        str,
        tuple,
        set,
        json.dumps,
        lambda each: "[" + " ".join(map(repr, each)) + "]",
        lambda each: f"[{', '.join(each)}]",
    ],
)
def test_a_column_of_written_lists_is_multi_label_and_said(tmp_path, write):
    sets = [["joy"], ["joy", "fear"], ["anger"], ["fear", "anger"]] * 15
    splits = load_data(written(tmp_path / "x.csv", [str(write(each)) for each in sets]))
    assert (splits.task, splits.labels) == (MULTI, ("anger", "fear", "joy"))
    assert targets(splits) == [tuple(sorted(each)) for each in sets]


def test_a_few_lists_whose_labels_occur_alone_are_lists_and_others_are_named(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["joy", "fear"] * 20 + ["['joy', 'fear']"]))
    assert (splits.task, splits.labels) == (MULTI, ("fear", "joy"))
    assert any("cells hold no list" in note for note in splits.audit.notes)
    found = recognise(["joy", "fear"] * 20 + ["['hope']"])
    assert found.task is SINGLE
    assert any("1 label looks like a list" in note and "--task multi_label" in note for note in found.notes)
    assert recognise(["joy", "fear"] * 20 + ["['hope']"], requested=MULTI).target("['hope']") == ("hope",)


def test_empty_braces_are_a_row_without_labels(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ['{"joy"}', '{"joy", "fear"}', "{}"] * 15))
    assert targets(splits)[:3] == [("joy",), ("fear", "joy"), ()]


def test_a_list_that_cannot_be_read_is_a_bad_row(tmp_path):
    with pytest.raises(DataError, match="not a list that can be read"):
        load_data(written(tmp_path / "x.csv", ["['a']", "['a', 'b']"] * 20 + ["['a, 'b']"]))


def test_lists_of_one_label_say_how_to_make_classes(tmp_path):
    spec = jsonl(tmp_path / "x.jsonl", [["a"], ["b"]] * 20)
    splits = load_data(spec)
    assert splits.task is MULTI
    assert any("--task single_label" in note for note in splits.audit.notes)
    assert load_data(spec.model_copy(update={"task": SINGLE})).labels == ("a", "b")


# Separators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("separator", "typed"), [(";", ";"), (", ", ","), ("/", "/"), (" + ", "+")])
def test_labels_that_may_be_separated_stay_classes_with_a_note_that_works(tmp_path, separator, typed):
    spec = written(tmp_path / "x.csv", ["joy", "fear", separator.join(("joy", "fear"))] * 20)
    splits = load_data(spec)
    assert (splits.task, len(splits.labels)) == (SINGLE, 3)
    [note] = [note for note in splits.audit.notes if "--label-separator" in note]
    assert f'--label-separator "{typed}"' in note
    assert load_data(spec.model_copy(update={"label_separator": typed})).labels == ("fear", "joy")


def test_a_class_name_with_a_comma_stays_one_class_with_a_note(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["Computers, Phones", "Garden"] * 20))
    assert splits.labels == ("Computers, Phones", "Garden")
    assert any("'Computers, Phones'" in note for note in splits.audit.notes)


def test_a_class_name_with_a_slash_needs_no_note(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["Sci/Tech", "World"] * 20))
    assert not any("separator" in note for note in splits.audit.notes)


def test_a_separator_that_no_label_holds_is_said(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["a", "b"] * 20, label_separator=";"))
    assert any("no label in train holds ';'" in note for note in splits.audit.notes)


def test_asking_for_multi_label_finds_the_separator_and_says_it(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["joy", "fear", "joy;fear"] * 20, task=MULTI))
    assert splits.labels == ("fear", "joy")
    assert any("separated by ';'" in note for note in splits.audit.notes)


def test_ids_with_commas_are_lists_where_they_cannot_be_decimals(tmp_path):
    splits = load_data(written(tmp_path / "x.tsv.csv", ["27", "2,13", "2,13,27", "3"] * 15))
    assert (splits.task, splits.labels) == (MULTI, ("13", "2", "27", "3"))
    assert any("'2,13,27'" in note and "--task single_label" in note for note in splits.audit.notes)


def test_pairs_of_ids_that_may_be_decimals_are_refused_and_each_way_out_works(tmp_path):
    spec = written(tmp_path / "x.csv", ["27", "2,13", "3,10", "3"] * 15)
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert "2.13" in caught.value.message
    for option in ("--label-separator ','", "--task regression", "--task single_label"):
        assert option in (caught.value.hint or "")
    assert load_data(spec.model_copy(update={"label_separator": ","})).task is MULTI
    assert load_data(spec.model_copy(update={"task": REGRESSION})).task is REGRESSION
    assert "2,13" in load_data(spec.model_copy(update={"task": SINGLE})).labels


@pytest.mark.parametrize("cells", [["2,5", "3,75", "4"], ["0,05", "1,2"], ["4,2", "3,7", "1,9"], ["1,5", "2,5", "5"]])
def test_decimal_commas_are_still_decimals(cells):
    assert recognise(cells).task is REGRESSION


# Positions ------------------------------------------------------------------------------------------------------------

HOT = [[0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]] * 12


@pytest.mark.parametrize("kind", [int, float, bool, str])
def test_positions_of_zeros_and_ones_are_labels(tmp_path, kind):
    splits = load_data(jsonl(tmp_path / "x.jsonl", [[kind(each) for each in row] for row in HOT]))
    assert (splits.task, splits.labels) == (MULTI, ("label_0", "label_1", "label_2"))
    assert targets(splits)[:4] == [("label_1",), ("label_0", "label_1"), ("label_2",), ()]
    assert any("--label-names" in note for note in splits.audit.notes)


@pytest.mark.parametrize(
    "write", [json.dumps, lambda row: str(row).replace(",", ""), lambda row: f"[{'. '.join(map(str, row))}.]"]
)
def test_positions_are_labels_when_written_as_text(tmp_path, write):
    splits = load_data(written(tmp_path / "x.csv", [write(row) for row in HOT]))
    assert targets(splits)[:4] == [("label_1",), ("label_0", "label_1"), ("label_2",), ()]


def test_positions_take_the_names_of_the_schema_or_of_the_user(tmp_path):
    assert recognise(HOT, ("a", "b", "c")).target([1, 0, 1]) == ("a", "c")
    assert recognise(HOT, ("no", "yes")).target([1, 0, 0]) == ("label_0",)
    splits = load_data(jsonl(tmp_path / "x.jsonl", HOT, label_names="joy,fear,anger"))
    assert splits.labels == ("anger", "fear", "joy")
    with pytest.raises(DataError, match="2 names, and each list has 3"):
        load_data(jsonl(tmp_path / "x.jsonl", HOT, label_names="joy,fear"))


def test_one_position_a_row_makes_classes_and_says_so(tmp_path):
    spec = jsonl(tmp_path / "x.jsonl", [[0, 1], [1, 0]] * 20)
    splits = load_data(spec)
    assert (splits.task, splits.labels) == (SINGLE, ("label_0", "label_1"))
    assert any("--task multi_label" in note for note in splits.audit.notes)
    assert load_data(spec.model_copy(update={"task": MULTI})).task is MULTI


def test_lists_of_label_numbers_are_no_positions():
    assert recognise([[0], [1], [0, 1]] * 9).target([0, 1]) == ("0", "1")
    assert recognise([["0", "1"], ["1", "2"]] * 9).target(["0", "1"]) == ("0", "1")
    assert recognise([[2, 7], [1, 3]] * 9).target([2, 7]) == ("2", "7")


def test_a_list_of_another_length_is_a_bad_row(tmp_path):
    with pytest.raises(DataError, match="2 numbers instead of 3"):
        load_data(jsonl(tmp_path / "x.jsonl", [*HOT, [0, 1]]))


@pytest.mark.parametrize(
    "rows", [[[0.1, 0.9], [0.67, 0.5]] * 20, [{"joy": 0.9, "fear": 0.1}, {"joy": 0.2, "fear": 0.8}] * 20]
)
def test_shares_are_refused_until_a_threshold_is_given(tmp_path, rows):
    spec = jsonl(tmp_path / "x.jsonl", rows)
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert "--label-threshold 0.5" in (caught.value.hint or "")
    assert load_data(spec.model_copy(update={"label_threshold": 0.5})).task in (SINGLE, MULTI)


def test_a_mapping_says_of_each_label_whether_a_row_has_it(tmp_path):
    splits = load_data(jsonl(tmp_path / "x.jsonl", [{"joy": 1, "fear": 0}, {"joy": True, "fear": True}] * 20))
    assert targets(splits)[:2] == [("joy",), ("fear", "joy")]


# Columns --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("no", "yes"), [("0", "1"), ("0.0", "1.0"), ("False", "True"), ("no", "Yes"), ("n", "Y"), ("f", "t")]
)
def test_columns_of_yes_and_no_are_labels(tmp_path, no, yes):
    rows = [(no, yes), (yes, yes), (no, no)] * 15
    splits = load_data(columns(tmp_path / "x.csv", ("toxic", "threat"), rows, label="toxic,threat"))
    assert (splits.task, splits.labels) == (MULTI, ("threat", "toxic"))
    assert targets(splits)[:3] == [("threat",), ("threat", "toxic"), ()]
    assert any("toxic, threat" in note for note in splits.audit.notes)


@pytest.mark.parametrize("tick", ["x", "1", "✓", "toxic"])
def test_ticked_boxes_are_labels_and_a_blank_says_no(tmp_path, tick):
    rows = [(tick, "x"), (tick, ""), ("", "")] * 15
    splits = load_data(columns(tmp_path / "x.csv", ("toxic", "threat"), rows, label="toxic,threat"))
    assert targets(splits)[:3] == [("threat", "toxic"), ("toxic",), ()]
    assert any("blank cell says no" in note for note in splits.audit.notes)


def test_a_blank_beside_zeros_and_ones_is_a_bad_row(tmp_path):
    with pytest.raises(DataError, match="nothing for label 'threat'"):
        load_data(
            columns(
                tmp_path / "x.csv", ("toxic", "threat"), [*[(1, 0), (0, 1), (0, 0)] * 12, (1, "")], label="toxic,threat"
            )
        )


def test_shares_in_columns_need_a_threshold(tmp_path):
    rows = [(0.67, 0.1), (0.33, 1), (0, 0)] * 15
    spec = columns(tmp_path / "x.csv", ("toxic", "threat"), rows, label="toxic,threat")
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert "--label-threshold 0.5" in (caught.value.hint or "")
    splits = load_data(spec.model_copy(update={"label_threshold": 0.5}))
    assert targets(splits)[:3] == [("toxic",), ("threat",), ()]


def test_votes_in_columns_have_a_threshold_of_their_size(tmp_path):
    rows = [(3, 0), (0, 2), (1, 1)] * 15
    spec = columns(tmp_path / "x.csv", ("toxic", "threat"), rows, label="toxic,threat")
    with pytest.raises(DataError) as caught:
        load_data(spec)
    assert "--label-threshold 1.5" in (caught.value.hint or "")
    assert targets(load_data(spec.model_copy(update={"label_threshold": 1.5})))[:3] == [("toxic",), ("threat",), ()]


def test_one_column_of_shares_and_a_threshold_make_two_classes(tmp_path):
    rows = [(0.67,), (0.33,)] * 20
    splits = load_data(columns(tmp_path / "x.csv", ("toxicity",), rows, label="toxicity", label_threshold=0.5))
    assert (splits.task, splits.labels) == (SINGLE, ("false", "true"))


def test_one_column_a_row_makes_classes_and_says_so(tmp_path):
    splits = load_data(columns(tmp_path / "x.csv", ("spam", "ham"), [(1, 0), (0, 1)] * 20, label=["spam", "ham"]))
    assert (splits.task, splits.labels) == (SINGLE, ("ham", "spam"))
    assert any("--task multi_label" in note for note in splits.audit.notes)


def test_a_column_that_says_neither_is_refused(tmp_path):
    with pytest.raises(DataError, match="column 'note' holds 'good'"):
        load_data(columns(tmp_path / "x.csv", ("toxic", "note"), [(1, "good"), (0, "bad")] * 20, label="toxic,note"))


@pytest.mark.parametrize("given", ['"Toxic, severe",obscene', ["Toxic, severe", "obscene"]])
def test_a_column_name_may_hold_a_comma(tmp_path, given):
    rows = [(1, 1), (1, 0), (0, 0)] * 15
    splits = load_data(columns(tmp_path / "x.csv", ("Toxic, severe", "obscene"), rows, label=given))
    assert splits.labels == ("Toxic, severe", "obscene")
    alone = load_data(columns(tmp_path / "x.csv", ("Toxic, severe",), [(1,), (0,)] * 20, label="Toxic, severe"))
    assert alone.labels == ("0", "1")


def test_columns_are_found_whatever_their_casing_in_every_part(tmp_path):
    rows = [(1, 0), (0, 1), (0, 0)] * 12
    train = columns(tmp_path / "a.csv", ("toxic", "threat"), rows, label="Toxic,THREAT")
    columns(tmp_path / "b.csv", ("Toxic", "Threat"), rows)
    splits = load_data(train.model_copy(update={"test": str(tmp_path / "b.csv")}))
    assert splits.unseen == ()
    assert splits.labels == ("threat", "toxic")


def test_a_list_of_columns_is_typed_back_as_it_was_given():
    spec = RunSpec.of(data="x.csv", label=["a", "b, c"])
    assert spec.data.label == 'a,"b, c"'
    assert fields(spec.data.label or "") == ("a", "b, c")


# Codes and numbers ----------------------------------------------------------------------------------------------------


def test_texts_of_json_are_classes_as_they_are_written(tmp_path):
    splits = load_data(jsonl(tmp_path / "x.jsonl", ["007", "7", "1.0", "1.1", "1.10"] * 12))
    assert (splits.task, splits.labels) == (SINGLE, ("007", "1.0", "1.1", "1.10", "7"))
    assert any("--task regression" in note for note in splits.audit.notes)
    many = jsonl(tmp_path / "y.jsonl", [f"{i / 8}" for i in range(60)])
    with pytest.raises(DataError) as caught:  # no value twice: these are no classes
        load_data(many)
    assert "--task regression" in (caught.value.hint or "")
    assert load_data(many.model_copy(update={"task": REGRESSION})).task is REGRESSION


@pytest.mark.parametrize("cells", [["007", "7", "042"] * 15, ["0000", "0001"] * 20, [f"{i:03}" for i in range(50)] * 2])
def test_a_leading_zero_makes_codes_in_csv(tmp_path, cells):
    splits = load_data(written(tmp_path / "x.csv", cells))
    assert splits.task is SINGLE
    assert set(splits.labels) == set(cells)


def test_decimals_in_two_spellings_are_codes_where_they_repeat(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["1.1", "1.10", "2.1"] * 15))
    assert (splits.task, splits.labels) == (SINGLE, ("1.1", "1.10", "2.1"))
    [note] = [note for note in splits.audit.notes if "spellings of one number" in note]
    assert "'1.1' and '1.10'" in note
    assert "--task regression" in note
    assert load_data(written(tmp_path / "x.csv", ["1.1", "1.10", "2.1"] * 15, task=REGRESSION)).task is REGRESSION


def test_measurements_in_two_spellings_are_numbers_and_the_merge_is_named(tmp_path):
    cells = [f"{i / 10:.2f}" if i % 2 else f"{i / 10:g}" for i in range(1, 80)] + ["0.10", "0.1"]
    splits = load_data(written(tmp_path / "x.csv", cells))
    assert splits.task is REGRESSION
    assert any("read as one number" in note for note in splits.audit.notes)


def test_whole_numbers_written_in_two_ways_are_one_label_and_named(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["1", "1.0", "2", "0.0"] * 12))
    assert splits.labels == ("0", "1", "2")
    assert any("'1' and '1.0'" in note for note in splits.audit.notes)


def test_what_makes_a_regression_is_said(tmp_path):
    for cells in ([i % 25 / 4 for i in range(75)], [i % 25 for i in range(75)]):
        spec = jsonl(tmp_path / "x.jsonl", cells)
        loaded = load(spec, skip_bad_rows=False)
        assert loaded.splits.task is REGRESSION
        assert any("--task single_label" in note for note in loaded.splits.audit.notes)
        assert load_data(spec.model_copy(update={"task": SINGLE})).task is SINGLE


def test_numbers_can_be_named(tmp_path):
    splits = load_data(written(tmp_path / "x.csv", ["0", "1", "1", "2"] * 12, label_names="neg,neutral,pos"))
    assert splits.labels == ("neg", "neutral", "pos")
    with pytest.raises(DataError, match="'2' is no number below 2"):
        load_data(written(tmp_path / "x.csv", ["0", "1", "1", "2"] * 12, label_names="neg,pos"))


def test_what_was_wanted_is_read_off_a_spec():
    assert Wanted.of(DataSpec(label_separator=";", label_names="a,b"), MULTI) == Wanted(MULTI, ";", None, ("a", "b"))
