"""What LiftuneClassifier takes as X, y and parameters, and what it says of the rest, in its own words."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from tiny_models import save_tiny

from liftune.errors import DataError, LiftuneError
from liftune.sklearn import PARAMETERS, LiftuneClassifier
from liftune.sklearn.labels import classes_of, labels_of, names_of
from liftune.sklearn.texts import texts_of
from liftune.sklearn.wording import hint_of

WORDS = {"neg": ("shout", "slam", "rage", "glare"), "pos": ("sunny", "laugh", "dance", "smile")}
TEXTS = [f"{WORDS[label][i % 4]} and {WORDS[label][i // 4 % 4]} number {i}" for i in range(24) for label in WORDS]
LABELS = [label for _ in range(24) for label in WORDS]
FAST: dict[str, Any] = {"epochs": 1, "batch_size": 8, "lr": 1e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def by_words(model: str) -> LiftuneClassifier:
    """Fitted, and tf-idf answers."""
    return LiftuneClassifier(model=model, device="cpu", use="tfidf", **FAST).fit(TEXTS, LABELS)


def test_words_answer_though_a_device_was_chosen(by_words: LiftuneClassifier) -> None:
    assert by_words.contender_ == "tfidf"
    assert by_words.score(TEXTS, LABELS) == 1
    by_words.set_params(use="tuned")
    tuned = by_words.predict_proba(TEXTS)
    assert by_words.contender_ == "tuned"
    by_words.set_params(use="tfidf")
    assert (by_words.predict_proba(TEXTS) != tuned).any()


def test_it_is_said_that_another_contender_answers(model: str) -> None:
    with pytest.warns(UserWarning, match="answers come from .*, not from the tuned model.*use='tuned'"):
        fit = LiftuneClassifier(model=model, use="recommended", method="bitfit", epochs=1, lr=1e-9).fit(TEXTS, LABELS)
    assert fit.contender_ != "tuned"
    assert fit.predict(TEXTS[:2]).shape == (2,)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"use": "tfdif"}, "unknown contender 'tfdif', did you mean tfidf", "choose one of"),
        ({"use": "full"}, "only where it is asked for", "with_full=True"),
        ({"use": 5}, "use must be a text", "str"),
        ({"text": "body"}, "has no columns", "leave it out"),
        ({"lr": -1.0}, "^lr: must be", "type and range"),
        ({"model": "/no/such/folder"}, "/no/such/folder", ""),
    ],
)
def test_a_wrong_parameter_is_named_as_the_classifier_names_it(
    options: dict[str, Any], message: str, hint: str, model: str
) -> None:
    with pytest.raises(LiftuneError, match=message) as refused:
        LiftuneClassifier(**{"model": model, **options}).fit(TEXTS, LABELS)
    assert hint in str(refused.value.hint)
    assert "--" not in str(refused.value)


def test_a_misspelt_parameter_has_the_nearest_one() -> None:
    with pytest.raises(TypeError, match="no parameter class_weight, did you mean class_weights"):
        LiftuneClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match="no parameter class_weight, did you mean class_weights"):
        LiftuneClassifier().set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="no parameter epoch, did you mean epochs"):
        Pipeline([("classifier", LiftuneClassifier())]).set_params(classifier__epoch=2)


# Columns -------------------------------------------------------------------------------------------------------------


def _columns(table: Any, **named: Any) -> tuple[tuple[str, ...], str | None]:
    found = texts_of(table, **named).columns
    return found.texts, found.text_pair


@pytest.mark.slow
def test_no_column_but_those_of_text_decides_anything(model: str) -> None:
    frame = pd.DataFrame({"text": TEXTS, "split": ["train"] * 40 + ["test"] * 8, "group": ["a", "b"] * 24})
    fit = LiftuneClassifier(model=model, **FAST).fit(frame, LABELS)
    alone = LiftuneClassifier(model=model, **FAST).fit(TEXTS, LABELS)
    assert fit.record_.rows == alone.record_.rows
    assert (fit.predict_proba(frame) == alone.predict_proba(TEXTS)).all()
    assert fit.record_.audit.notes == alone.record_.audit.notes


def test_a_column_of_text_may_have_any_name(model: str) -> None:
    frame = pd.DataFrame({"split": TEXTS, "label": TEXTS[::-1], "n": range(48)})
    fit = LiftuneClassifier(model=model, text="split,label", **FAST).fit(frame, LABELS)
    assert fit.predict(frame).shape == (48,)


def test_several_columns_of_text_are_refused_with_what_names_them(model: str) -> None:
    frame = pd.DataFrame({"title": [f"item {i}" for i in range(48)], "body": TEXTS, "summary": TEXTS[::-1]})
    with pytest.raises(DataError, match="several columns of text: title, body, summary") as refused:
        LiftuneClassifier(model=model, **FAST).fit(frame, LABELS)
    hint = str(refused.value.hint)
    assert "__label__" not in str(refused.value)
    for typed in re.findall(r"LiftuneClassifier\((.*?)\)", hint):  # each is followed
        named = eval(f"dict({typed})")
        assert texts_of(frame, **named).columns.texts == tuple(named["text"].split(","))


def test_columns_of_a_table_are_found() -> None:
    other = [f"{text} again" for text in TEXTS]
    assert _columns(pd.DataFrame({"id": range(48), "note": TEXTS, "lang": ["en"] * 48})) == (("note",), None)
    assert _columns({"premise": TEXTS, "hypothesis": other}) == (("premise",), "hypothesis")
    assert _columns([{"text": text, "n": 1} for text in TEXTS]) == (("text",), None)
    assert _columns(pa.table({"review": TEXTS, "stars": [1] * 48})) == (("review",), None)
    assert _columns({"a": TEXTS, "b": other}, text=["a", "b"]) == (("a", "b"), None)
    assert _columns({"a": TEXTS, "b": other}, text_pair="b") == (("a",), "b")
    assert _columns({"text": ["ok", "no"], "n": [1, 2]}) == (("text",), None)
    with pytest.raises(DataError, match="several columns"):
        texts_of({"premise": TEXTS, "hypothesis": other, "note": other})
    with pytest.raises(DataError, match="unknown column 'boddy', did you mean body"):
        texts_of({"body": TEXTS}, text="boddy")


def test_a_table_to_predict_has_the_columns_of_fit() -> None:
    known = texts_of({"a": TEXTS, "b": TEXTS}, text="a,b").columns
    assert texts_of({"B": ["x"], "A": ["y"], "c": ["z"]}, known=known).rows()[0] == ["a: y\nb: x"]
    with pytest.raises(DataError, match="yet now missing:\n- b\n") as refused:
        texts_of({"a": TEXTS}, known=known)
    assert "give the columns a, b, which fit read; there are: a" in str(refused.value.hint)
    single = texts_of({"a": TEXTS}).columns
    assert texts_of(["x", None], known=single).rows() == (["x", ""], [1])
    with pytest.raises(DataError, match="given single texts, and X holds pairs of texts"):
        texts_of([("x", "y")], known=single)
    assert len(texts_of(pd.DataFrame({"a": []}), known=single)) == 0


@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pa.table, lambda cells: cells, pl.DataFrame, lambda cells: pd.DataFrame(cells).head(0)]
)
def test_a_column_of_another_name_is_never_read_as_the_text(kind: Any) -> None:
    """The wrong column of a frame would be answered, and nothing would say so."""
    fitted = texts_of({"text": TEXTS, "n": [1] * 48})
    known: dict[str, Any] = {"known": fitted.columns, "features": fitted.features}
    for other in ("label", "foo"):
        with pytest.raises(ValueError, match="The feature names should match those that were passed during fit") as no:
            texts_of(kind({other: ["sunny", "rage"]}), **known)
        said = str(no.value)
        assert f"Feature names unseen at fit time:\n- {other}\n" in said
        assert "Feature names seen at fit time, yet now missing:\n- text\n" in said
        assert "n, " not in said
        assert isinstance(no.value, DataError)
    assert len(texts_of(kind({"n": [2, 3], "text": ["sunny", "rage"], "more": [1, 1]}), **known)) in (0, 2)


@pytest.mark.slow
def test_features_are_named_as_scikit_learn_names_them(by_words: LiftuneClassifier) -> None:
    fit = clone(by_words)
    assert not hasattr(by_words, "feature_names_in_")
    assert not hasattr(by_words, "n_features_in_")
    fit.fit(pd.DataFrame({"n": range(48), "text": TEXTS}), LABELS)
    assert fit.feature_names_in_.tolist() == ["n", "text"]
    assert fit.n_features_in_ == 2
    answers = fit.predict(TEXTS[:4]).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what has the column, or is no table, is taken without a word
        for taken in (pd.DataFrame({"text": TEXTS[:4]}), pd.Series(TEXTS[:4], name="other"), np.array(TEXTS[:4])):
            assert fit.predict(taken).tolist() == answers
    with pytest.raises(ValueError, match="The feature names should match"):
        fit.predict(pd.DataFrame({"label": LABELS[:4]}))
    with pytest.raises(ValueError, match="The feature names should match"):
        pickle.loads(pickle.dumps(fit)).predict_proba(pd.DataFrame({"label": LABELS[:4]}))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but LiftuneClassifier was fitted with"):
        fit.predict(np.array(TEXTS[:4])[:, None])
    with pytest.warns(UserWarning, match="X has feature names, but LiftuneClassifier was fitted without feature names"):
        by_words.predict(pd.DataFrame({"label": LABELS[:4]}))
    fit.fit(TEXTS, LABELS)
    assert not hasattr(fit, "feature_names_in_")
    assert not hasattr(fit, "n_features_in_")


def test_columns_whose_names_are_numbers_are_held_to_them() -> None:
    fitted = texts_of(pd.DataFrame({0: TEXTS}))
    with pytest.raises(ValueError, match="yet now missing:\n- 0\n"):
        texts_of(pd.DataFrame({1: TEXTS}), known=fitted.columns, features=fitted.features)


def test_a_row_that_no_model_can_read_is_refused_or_answered() -> None:
    for texts in (["fine", "a\0b"], pd.DataFrame({"text": ["fine", "a\0b"]})):
        with pytest.raises(DataError, match="NUL") as refused:
            texts_of(texts).rows()
        assert "skip_bad_rows=True" in str(refused.value.hint)
        assert texts_of(texts).rows(skip=True) == (["fine", ""], [1])
    pairs = texts_of([("a", "b"), ("c", "\ud83d")])
    assert pairs.rows(skip=True) == ([("a", "b"), ("", "")], [1])


# Rows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [
        csr_matrix(np.eye(48)),
        np.eye(48),
        np.arange(48),
        list(range(48)),
        [*TEXTS[:47], 3],
        pd.Series(range(48)),
        pd.DataFrame(np.eye(48)),
        np.array([[1, 2]] * 48, dtype=object),
    ],
)
def test_numbers_are_no_texts(numbers: Any) -> None:
    with pytest.raises(DataError, match="X holds numbers, not texts") as refused:
        LiftuneClassifier().fit(numbers, LABELS)
    assert "vectorizer" in str(refused.value.hint)


def test_a_vectorizer_before_it_is_refused_in_words() -> None:
    with pytest.raises(DataError, match="X holds numbers, not texts"):
        make_pipeline(TfidfVectorizer(), LiftuneClassifier()).fit(TEXTS, LABELS)


@pytest.mark.parametrize("other", [[b"bytes"] * 48, [object()] * 48, [{"a"}] * 48])
def test_other_values_are_no_texts(other: Any) -> None:
    with pytest.raises(DataError, match="not texts"):
        LiftuneClassifier().fit(other, LABELS)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pa.array, lambda rows: np.array(rows)[:, None]])
def test_texts_come_in_any_list(kind: Any) -> None:
    assert texts_of(kind(TEXTS)).rows() == (TEXTS, [])


@pytest.mark.parametrize("blank", ["", "  ", None, float("nan")])
def test_rows_without_a_text_are_refused_or_left_out(blank: Any, model: str) -> None:
    texts = [blank, *TEXTS[1:]]
    with pytest.raises(DataError, match="row 1 of X without a text") as refused:
        LiftuneClassifier(model=model, **FAST).fit(texts, LABELS)
    assert "skip_bad_rows=True" in str(refused.value.hint)


def test_real_data_are_cross_validated(model: str) -> None:
    texts, labels = [*TEXTS, "", None, "lost"], [*LABELS, "pos", "neg", None]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = LiftuneClassifier(model=model, skip_bad_rows=True, **FAST).fit(texts, labels)
        assert fit.predict(texts).shape == (51,)
        frame = pd.DataFrame({"text": texts})
        assert (fit.predict(frame) == fit.predict(texts)).all()
    messages = [str(each.message) for each in said]
    assert "3 rows (the first: row 49) of 51 without a text or a label: left out of fit" in messages
    assert any("2 rows (the first: row 49) of X without a text: answered as an empty text" in each for each in messages)
    assert fit.classes_.tolist() == ["neg", "pos"]


# Labels --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "what"),
    [
        ([1, "a"] * 24, "y mixes numbers and texts"),
        (np.array([1, "a"] * 24, dtype=object), "y mixes numbers and texts"),
        ([b"a", "a"] * 24, "y mixes"),
        ([["a"], ["b", "c"]] * 24, "2 dimensions, not one"),
        ([{"a"}, {"b"}] * 24, "2 dimensions, not one"),
        (np.eye(48), "2 dimensions, not one"),
        (pd.DataFrame({"a": LABELS, "b": LABELS}), "2 dimensions, not one"),
        (["a", float("nan")] * 24, "no label in row 2"),
        (pd.Series(["a", pd.NA] * 24, dtype="string"), "no label in row 2"),
        ([1.0, float("inf")] * 24, "infinite"),
        (["a", 1.5] * 24, "mixes"),
        ([object(), object()] * 24, "cannot be sorted"),
        ("pos", "no list of labels"),
        ({"a": 1}, "no list of labels"),
        (7, "no list of labels"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(y: Any, what: str) -> None:
    with pytest.raises(DataError, match=what) as refused:
        LiftuneClassifier().fit(TEXTS, y)
    assert refused.value.hint
    assert "--" not in refused.value.hint


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a"],
        [True, False],
        np.array([3, 1]),
        np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
        pd.Series(["x", "y"], dtype="category"),
        [["a"], ["b"]],
        pd.DataFrame({"y": [1, 2]}),
        ["", "a"],
        [" ", "a"],
    ],
)
def test_labels_come_back_as_they_were(y: Any) -> None:
    labels, missing = labels_of(y)
    assert not missing
    classes, codes = classes_of(labels, getattr(y, "dtype", None))
    given = np.asarray(y).ravel()
    assert (classes[codes] == given).all()
    assert len({name.strip() for name in names_of(classes)} - {""}) == 2


# Folders -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_further_fit_takes_a_folder_of_its_own(model: str, tmp_path: Path) -> None:
    classifier = LiftuneClassifier(model=model, out=tmp_path / "run", **FAST)
    first = classifier.fit(TEXTS, LABELS).run_
    before = (Path(first) / "record.json").read_bytes()
    second = clone(classifier).fit(TEXTS[:40], LABELS[:40]).run_
    assert [Path(each).name for each in (first, second)] == ["run", "run-2"]
    assert (Path(first) / "record.json").read_bytes() == before


def test_a_folder_of_others_is_refused_by_its_parameter(model: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(LiftuneError) as refused:
        LiftuneClassifier(model=model, out=tmp_path, **FAST).fit(TEXTS, LABELS)
    assert refused.value.where == "out"
    assert "--" not in str(refused.value)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_a_search_keeps_every_run(model: str, tmp_path: Path) -> None:
    classifier = LiftuneClassifier(model=model, out=tmp_path / "run", **FAST)
    search = GridSearchCV(classifier, {"lr": [1e-3, 1e-2]}, cv=2, n_jobs=2, error_score="raise").fit(TEXTS, LABELS)
    assert len(list(tmp_path.glob("run*/record.json"))) == 5
    assert search.predict(TEXTS).shape == (48,)
    assert cross_val_score(classifier, TEXTS, LABELS, cv=2, error_score="raise").shape == (2,)


# Words ---------------------------------------------------------------------------------------------------------------


def test_hints_name_parameters() -> None:
    assert "skip_bad_rows" in PARAMETERS
    assert hint_of("leave the option out, or give --use tuned", PARAMETERS) == (
        'leave the option out, or give use="tuned"'
    )
    assert hint_of("fix the row, or drop such rows with --skip-bad-rows", PARAMETERS) == (
        "fix the row, or drop such rows with skip_bad_rows=True"
    )
    assert hint_of("replace it with --overwrite, or name another folder with --out", PARAMETERS) == (
        "name another folder with out="
    )
    assert hint_of("leave it out, or leave --with-full out", PARAMETERS) == "leave it out, or leave with_full= out"
    assert hint_of("give a rank of at most 4, such as --set rank=4", PARAMETERS) == (
        'give a rank of at most 4, such as set={"rank": 4}'
    )
    assert hint_of("pip install --force-reinstall --no-deps torch", PARAMETERS) == (
        "pip install --force-reinstall --no-deps torch"
    )
    assert hint_of("add rows, or give a validation part of its own", PARAMETERS) == "add rows"
    assert hint_of("say where it is now: --base PATH", PARAMETERS)
    assert "--" not in hint_of("say where it is now: --base PATH", PARAMETERS)


def test_too_few_rows_are_refused_in_its_words(model: str) -> None:
    for texts, labels in ((TEXTS[:3], LABELS[:3]), (TEXTS, ["same"] * 48)):
        with pytest.raises(LiftuneError) as refused:
            LiftuneClassifier(model=model, **FAST).fit(texts, labels)
        said = str(refused.value)
        assert "--" not in said
        assert "train_rows" not in said
        assert "label column" not in said
