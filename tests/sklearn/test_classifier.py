"""The scikit-learn classifier: its conventions, and the tools that live by them."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator
from tiny_models import save_tiny

import liftune
from liftune.errors import LiftuneError
from liftune.sklearn import NOT_PARAMETERS, PARAMETERS, LiftuneClassifier

WORDS = {2: ("sunny", "laugh", "dance", "smile"), 10: ("shout", "slam", "rage", "glare")}
TEXTS = [f"{WORDS[label][i % 4]} {WORDS[label][i // 4 % 4]} number {i}" for i in range(24) for label in (10, 2)]
LABELS = [label for _ in range(24) for label in (10, 2)]
FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def fitted(model: str) -> LiftuneClassifier:
    return LiftuneClassifier(model=model, **FAST).fit(TEXTS, LABELS)


#: Checks of scikit-learn's that need no rows: all of them pass.
WITHOUT_ROWS = (
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
)
#: Those that make rows of numbers, and which test here asks the same of texts.
OF_NUMBERS = {
    "check_estimators_unfitted": "test_before_fit_there_is_nothing",
    "check_fit_score_takes_y": "test_it_predicts_the_labels_that_it_was_given",
    "check_estimators_fit_returns_self": "test_it_predicts_the_labels_that_it_was_given",
    "check_classifiers_train": "test_it_predicts_the_labels_that_it_was_given",
    "check_classifiers_classes": "test_classes_of_any_type_come_back",
    "check_estimators_pickle": "test_a_copy_predicts_the_same",
    "check_fit_idempotent": "test_the_same_fit_gives_the_same_model",
    "check_dict_unchanged": "test_a_copy_predicts_the_same",
    "check_methods_subset_invariance": "test_a_text_has_one_answer_whatever_stands_beside_it",
    "check_requires_y_none": "test_rows_and_labels_that_cannot_be_meant_are_refused",
    "check_supervised_y_2d": "test_rows_and_labels_that_cannot_be_meant_are_refused",
    "check_classifiers_one_label": "test_rows_and_labels_that_cannot_be_meant_are_refused",
    "check_estimators_nan_inf": "test_rows_and_labels_that_cannot_be_meant_are_refused",
    "check_n_features_in": "",  # texts have no number of features
}


@pytest.mark.parametrize("check", WITHOUT_ROWS)
def test_it_passes_the_check_of_scikit_learn(check: str) -> None:
    getattr(estimator_checks, check)("LiftuneClassifier", LiftuneClassifier())


def test_scikit_learn_itself_leaves_out_what_needs_numbers() -> None:
    """Its tags say that it takes texts: check_estimator then checks nothing, and says so."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_estimator(LiftuneClassifier())
    assert any(issubclass(each.category, SkipTestWarning) for each in said)
    for name, test in OF_NUMBERS.items():
        assert hasattr(estimator_checks, name)
        assert not test or test in globals()


def test_parameters_are_options_of_tune() -> None:
    import inspect

    options = set(inspect.signature(liftune.tune).parameters)
    assert set(PARAMETERS) | NOT_PARAMETERS >= options
    assert set(PARAMETERS) <= options | {"use"}  # of load
    assert set(LiftuneClassifier().get_params()) == set(PARAMETERS)
    with pytest.raises(TypeError, match="no parameter epoch"):
        LiftuneClassifier(epoch=2)
    with pytest.raises(LiftuneError, match="method"):
        LiftuneClassifier(method="lara").fit(TEXTS, LABELS)


def test_before_fit_there_is_nothing() -> None:
    with pytest.raises(NotFittedError):
        LiftuneClassifier().predict(TEXTS)


def test_it_predicts_the_labels_that_it_was_given(fitted: LiftuneClassifier) -> None:
    """2 comes before 10 here, and after it where labels are sorted as texts."""
    assert fitted.classes_.tolist() == [2, 10]
    chances = fitted.predict_proba(TEXTS)
    assert chances.shape == (48, 2)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-6)
    assert (fitted.predict(TEXTS) == np.array([2, 10])[chances.argmax(axis=1)]).all()
    assert fitted.score(TEXTS, LABELS) == (fitted.predict(TEXTS) == LABELS).mean()
    named = liftune.load(fitted.run_).predict(TEXTS[:1])[0].probabilities
    assert named is not None
    assert chances[0].tolist() == pytest.approx([named["2"], named["10"]], abs=1e-6)
    assert fitted.record_.rows.test > 0


@pytest.mark.parametrize(
    "labels", [["b", "a"], [True, False], [" x", "x"], [1.0, 0.0]], ids=["texts", "booleans", "blanks", "floats"]
)
def test_classes_of_any_type_come_back(labels: list[Any], model: str) -> None:
    given = labels * 24
    fit = LiftuneClassifier(model=model, **FAST).fit(np.array(TEXTS), np.array(given))
    assert set(fit.classes_.tolist()) == set(labels)
    assert set(fit.predict(TEXTS).tolist()) <= set(labels)


def test_a_text_has_one_answer_whatever_stands_beside_it(fitted: LiftuneClassifier) -> None:
    together = fitted.predict_proba(TEXTS[:10])
    alone = np.vstack([fitted.predict_proba([text]) for text in TEXTS[:10]])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_same_fit_gives_the_same_model(fitted: LiftuneClassifier) -> None:
    again = clone(fitted).fit(TEXTS, LABELS)
    assert (again.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_a_copy_predicts_the_same(fitted: LiftuneClassifier, tmp_path: Path) -> None:
    before = fitted.predict_proba(TEXTS[:5])
    joblib.dump(fitted, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "model.joblib")):
        assert copy.run_ != fitted.run_
        assert (copy.predict_proba(TEXTS[:5]) == before).all()
        assert copy.record_ == fitted.record_
    assert clone(fitted).get_params() == fitted.get_params()
    assert not hasattr(clone(fitted), "record_")


def test_the_temporary_folder_goes_with_the_classifier(model: str) -> None:
    import gc

    fit = LiftuneClassifier(model=model, **FAST).fit(TEXTS, LABELS)
    folder = Path(fit.run_)
    assert folder.is_dir()
    del fit
    gc.collect()
    assert not folder.exists()


def test_a_data_frame_has_its_columns_by_name(model: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(48), "title": TEXTS, "body": TEXTS[::-1]})
    fit = LiftuneClassifier(model=model, text="title,body", out=str(tmp_path / "run"), **FAST).fit(frame, LABELS)
    assert fit.predict(frame).shape == (48,)
    assert Path(fit.run_) == tmp_path / "run"
    assert fit.record_.audit is not None


def test_pairs_of_texts_are_two_columns(model: str) -> None:
    pairs = np.array([TEXTS, TEXTS[::-1]]).T
    fit = LiftuneClassifier(model=model, **FAST).fit(pairs, LABELS)
    assert fit.record_.pairs
    assert fit.predict(pairs[:3]).shape == (3,)


def test_a_pipeline_is_cross_validated(model: str) -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipe = make_pipeline(lower, LiftuneClassifier(model=model, **FAST))
    scores = cross_val_score(pipe, TEXTS, LABELS, cv=2)
    assert scores.shape == (2,)


@pytest.mark.slow
def test_a_search_over_a_pipeline_finds_a_rate(model: str) -> None:
    pipe = make_pipeline(FunctionTransformer(), LiftuneClassifier(model=model, **FAST))
    search = GridSearchCV(pipe, {"liftuneclassifier__lr": [1e-3, 1e-2]}, cv=2, refit=False, n_jobs=2)
    search.fit(TEXTS, LABELS)
    assert set(search.best_params_) == {"liftuneclassifier__lr"}


@pytest.mark.parametrize(
    ("X", "y", "what"),
    [
        (TEXTS, None, "y"),
        (TEXTS, LABELS[:5], "labels"),
        (TEXTS, [1.5, 2.5] * 24, "decimal numbers"),
        (TEXTS, [float("nan"), 1.0] * 24, "NaN"),
        (TEXTS, [None, "a"] * 24, "no label in row 1"),
        (TEXTS, [[0, 1]] * 48, "2 dimensions"),
        (TEXTS, ["same"] * 48, "one class"),
        ("one text", ["a"], "no list of texts"),
        ([["a", "b", "c"]] * 48, LABELS, "several texts"),
        ([[1.0, 2.0, 3.0]] * 48, LABELS, "numbers, not texts"),
        ([1.0] * 48, LABELS, "text"),
    ],
)
def test_rows_and_labels_that_cannot_be_meant_are_refused(X: Any, y: Any, what: str, model: str) -> None:  # noqa: N803
    with pytest.raises(LiftuneError, match=what) as refused:
        LiftuneClassifier(model=model, **FAST).fit(X, y)
    assert refused.value.hint
