"""Evaluation, the rungs that need no pretrained model, and the probe: honest, and standing on odd data."""

from collections.abc import Sequence

import numpy as np
import pytest

from liftune.baselines.fewer_columns import MOST_ROWS, in_fewer_columns
from liftune.baselines.linear_models import fit_linear, out_of_fold
from liftune.baselines.linear_probe import SCALINGS, fit_linear_probe
from liftune.baselines.tfidf import majority, tfidf
from liftune.data.splits import Split, Splits
from liftune.errors import DataError
from liftune.evaluation.evaluate import Evaluation, evaluate, scores, selection_scores
from liftune.records.data import Audit
from liftune.tasks import TaskKind, task_of

SINGLE, MULTI, VALUE = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION

WORDS = {
    "joy": ["bright", "happy", "glad", "sunny"],
    "fear": ["dark", "afraid", "scared", "night"],
    "rage": ["mad", "fury"],
}


def part(name: str, rows: Sequence[object], targets: Sequence[object]) -> Split:
    return Split(tuple(f"{name}:{i}" for i in range(len(rows))), tuple(rows), tuple(targets))


def splits(task, parts, labels=(), unseen=()):
    train, validation, test = (part(name, *parts[name]) for name in ("train", "validation", "test"))
    return Splits(task, labels, unseen, train, validation, test, Audit(), False, False, "fingerprint")


def texts(rows, seed, labels=("joy", "fear", "rage")):
    rng = np.random.default_rng(seed)
    targets = [labels[i] for i in rng.integers(0, len(labels), rows)]
    fill = ["the", "a", "one", "we", "saw", "it", "was", "here", "then"]
    made = [" ".join([*rng.choice(fill, 4), rng.choice(WORDS[target]), *rng.choice(fill, 3)]) for target in targets]
    return made, targets


@pytest.fixture(scope="module")
def emotions():
    parts = {"train": texts(120, 0), "validation": texts(40, 1), "test": texts(60, 2)}
    return splits(SINGLE, parts, ("fear", "joy", "rage"))


def test_majority_answers_the_most_frequent_label_at_the_shares_of_train():
    parts = {"train": (["x"] * 10, ["b"] * 7 + ["a"] * 3), "validation": ([], []), "test": (["x"], ["a"])}
    found = majority(splits(SINGLE, parts, ("a", "b")))
    logits = found.logits(["one", "two"])
    assert logits.shape == (2, 2)
    assert logits.dtype == np.float32
    assert logits.argmax(axis=1).tolist() == [1, 1]
    assert task_of(SINGLE).probabilities(logits)[0] == pytest.approx([3.5 / 11, 7.5 / 11], abs=1e-6)
    assert found.trainable_parameters == 2


def test_majority_of_labels_answers_those_that_half_the_rows_have():
    parts = {"train": (["x"] * 4, [("a",), ("a", "b"), ("a",), ()]), "validation": ([], []), "test": (["x"], [("a",)])}
    logits = majority(splits(MULTI, parts, ("a", "b"))).logits(["x"])
    assert (logits >= 0).tolist() == [[True, False]]


def test_majority_of_values_is_their_mean_and_its_correlation_is_undefined():
    parts = {"train": (["x"] * 3, [1.0, 2.0, 6.0]), "validation": ([], []), "test": (["x"] * 3, [1.0, 2.0, 3.0])}
    data = splits(VALUE, parts)
    found = evaluate("majority", majority(data), data)
    assert found.logits[0, 0] == pytest.approx(3.0)
    assert found.metrics["pearson"].value is None
    assert found.metrics["pearson"].note
    assert found.metrics["rmse"].value == pytest.approx(np.sqrt((4 + 1 + 0) / 3))


def test_tfidf_learns_words(emotions):
    found = tfidf(emotions)
    assert evaluate("tfidf", found, emotions).metrics["accuracy"].value >= 0.95
    assert found.trainable_parameters == found.model.weight.size + 3


def test_tfidf_is_the_same_each_time(emotions):
    first, again = (tfidf(emotions).logits(emotions.test.rows) for _ in range(2))
    assert np.array_equal(first, again)


def test_tfidf_of_several_labels_answers_each():
    rows = ["bright day", "dark night", "bright dark", "plain thing"] * 10
    targets = [("joy",), ("fear",), ("joy", "fear"), ()] * 10
    data = splits(MULTI, dict.fromkeys(("train", "validation", "test"), (rows, targets)), ("fear", "joy"))
    assert evaluate("tfidf", tfidf(data), data).metrics["micro_f1"].value == 1.0


def test_tfidf_of_pairs_sees_that_two_texts_share_words():
    rng = np.random.default_rng(0)
    vocabulary = [f"word{i}" for i in range(200)]

    def pairs(rows):
        made, targets = [], []
        for i in range(rows):
            first = rng.choice(vocabulary, 6, replace=False)
            second = first if i % 2 else rng.choice(vocabulary, 6, replace=False)
            made.append((" ".join(first), " ".join(rng.permutation(second))))
            targets.append(float(5 * (i % 2)))
        return made, targets

    data = splits(VALUE, {name: pairs(60) for name in ("train", "validation", "test")})
    assert evaluate("tfidf", tfidf(data), data).metrics["pearson"].value > 0.9


@pytest.mark.parametrize("validation", [(["joy", "unheard of"], ["a", "z"]), ([], [])])
def test_tfidf_stands_on_tiny_data_with_a_label_of_one_row(validation):
    parts = {
        "train": ([f"text {i}" for i in range(10)], ["a"] * 5 + ["b"] * 4 + ["c"]),
        "validation": validation,
        "test": (["text 1", "never"], ["a", "z"]),
    }
    data = splits(SINGLE, parts, ("a", "b", "c"), ("z",))
    logits = tfidf(data).logits(data.test.rows)
    assert logits.shape == (2, 3)
    assert evaluate("tfidf", logits, data).metrics["accuracy"].value <= 0.5


def test_tfidf_of_texts_without_words_is_a_fault_and_no_traceback():
    parts = dict.fromkeys(("train", "validation", "test"), ([" ", "  "], ["a", "b"]))
    with pytest.raises(DataError, match="no words"):
        tfidf(splits(SINGLE, parts, ("a", "b")))


@pytest.mark.parametrize("sparse", [False, True])
def test_the_fit_is_scikit_learns_optimum(sparse):
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 5)).astype(np.float32)
    targets = (features @ rng.normal(size=(5, 3)) + rng.gumbel(size=(80, 3))).argmax(axis=1)
    ours = fit_linear(csr_array(features) if sparse else features, targets, 3, SINGLE, 0.5)
    theirs = LogisticRegression(C=0.5, tol=1e-8).fit(features, targets)
    assert task_of(SINGLE).probabilities(ours.logits(features)) == pytest.approx(
        theirs.predict_proba(features), abs=1e-2
    )


def test_the_one_versus_rest_fit_is_scikit_learns_and_takes_a_label_without_rows():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    features = rng.normal(size=(80, 4)).astype(np.float32)
    targets = np.column_stack([features @ rng.normal(size=(4, 2)) > 0.5, np.zeros(80)]).astype(int)
    ours = task_of(MULTI).probabilities(fit_linear(features, targets, 3, MULTI, 1.0).logits(features))
    for label in range(2):
        theirs = LogisticRegression(C=1.0, tol=1e-8).fit(features, targets[:, label]).predict_proba(features)[:, 1]
        assert ours[:, label] == pytest.approx(theirs, abs=1e-2)
    assert ours[:, 2].max() < 0.05


def featured(task=SINGLE, rows=90, seed=0):
    """Splits, and features of two poolings: one that tells the label, one that is noise."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(3, 8))
    parts, features = {}, {}
    for name in ("train", "validation", "test"):
        kinds = rng.integers(0, 3, rows)
        good = (centres[kinds] + rng.normal(size=(rows, 8))).astype(np.float32)
        features[name] = {"noise": rng.normal(size=(rows, 8)).astype(np.float32), "mean": good}
        targets = {SINGLE: ["abc"[k] for k in kinds], MULTI: [tuple("abc"[:k]) for k in kinds]}
        parts[name] = ([f"{name} {i}" for i in range(rows)], targets.get(task, kinds.astype(float).tolist()))
    return splits(task, parts, () if task is VALUE else ("a", "b", "c")), features


@pytest.mark.parametrize("task", TaskKind)
def test_the_probe_finds_the_pooling_that_tells(task):
    data, features = featured(task)
    found = fit_linear_probe(features["train"], features["validation"], data)
    assert found.pooling == "mean"
    assert found.scaling in SCALINGS
    assert found.trainable_parameters == (9 if task is VALUE else 27)
    metrics = evaluate("probe", found.logits_of(features["test"]), data).metrics
    assert next(iter(metrics.values())).value > (0.6 if task is VALUE else 0.85)


@pytest.mark.parametrize("scaling", ["none", "standardise"])
def test_the_raw_weights_of_a_probe_give_its_logits(scaling):
    """A head that starts from them starts as the probe."""
    data, features = featured()
    found = fit_linear_probe(features["train"], features["validation"], data, scalings=(scaling,))
    raw = found.raw
    assert raw.weight.shape == (3, 8)
    logits = features["test"]["mean"] @ raw.weight.T + raw.bias
    assert logits == pytest.approx(found.logits_of(features["test"]), abs=1e-3)


def test_the_raw_weights_of_a_unit_probe_mostly_answer_alike():
    data, features = featured()
    found = fit_linear_probe(features["train"], features["validation"], data, scalings=("unit",))
    logits = found.raw.logits(features["test"]["mean"])
    assert (logits.argmax(axis=1) == found.logits_of(features["test"]).argmax(axis=1)).mean() > 0.9


def test_a_probe_stands_on_a_constant_column_and_a_label_of_one_row():
    rng = np.random.default_rng(0)
    features = np.column_stack([np.full(10, 1e3), rng.normal(size=(10, 3))]).astype(np.float32)
    parts = {
        "train": (["x"] * 10, ["a"] * 5 + ["b"] * 4 + ["c"]),
        "validation": (["x"] * 2, ["a", "z"]),
        "test": (["x"], ["a"]),
    }
    data = splits(SINGLE, parts, ("a", "b", "c"), ("z",))
    found = fit_linear_probe({"mean": features}, {"mean": features[:2]}, data)
    assert np.isfinite(found.logits_of({"mean": features})).all()
    assert np.isfinite(found.raw.weight).all()


def test_features_that_do_not_fit_the_rows_are_refused():
    data, features = featured()
    with pytest.raises(DataError, match="90 rows were expected"):
        fit_linear_probe({"mean": np.zeros((3, 8))}, features["validation"], data)
    with pytest.raises(DataError, match="finite"):
        fit_linear_probe({"mean": np.full((90, 8), np.nan)}, {"mean": np.zeros((90, 8))}, data)


def test_an_evaluation_holds_every_metric_of_the_task_with_its_interval(emotions):
    found = evaluate("majority", majority(emotions), emotions)
    assert list(found.metrics) == ["accuracy", "macro_f1", "log_loss", "brier"]
    for interval in found.metrics.values():
        assert interval.low < interval.value < interval.high
    assert found.ids == emotions.test.ids
    assert found.fingerprint == "fingerprint"


def test_logits_of_another_shape_are_refused(emotions):
    with pytest.raises(DataError, match="shape"):
        evaluate("tuned", np.zeros((60, 2)), emotions)


def test_logits_that_are_not_finite_are_refused(emotions):
    logits = np.zeros((60, 3))
    logits[7] = np.nan
    with pytest.raises(DataError, match="1 of 60 rows"):
        evaluate("tuned", logits, emotions)


def test_validation_scores_have_every_metric(emotions):
    logits = majority(emotions).logits(emotions.validation.rows)
    found = selection_scores(Evaluation.of("majority", logits, emotions, emotions.validation))
    assert list(found) == ["accuracy", "macro_f1", "log_loss", "brier"]


def test_the_mean_over_seeds_is_of_values_with_one_interval(emotions):
    rng = np.random.default_rng(0)
    seeds = [evaluate("tuned", rng.normal(size=(60, 3)), emotions) for _ in range(3)]
    found = scores(seeds)
    for name, interval in found.items():
        assert interval.value == pytest.approx(np.mean([each.metrics[name].value for each in seeds]))
        assert interval.low < interval.value < interval.high


def test_the_mean_of_one_seed_is_that_seed(emotions):
    one = evaluate("tuned", np.random.default_rng(0).normal(size=(60, 3)), emotions)
    assert scores([one]) == one.metrics


def test_seeds_on_different_rows_are_refused(emotions):
    data, _ = featured()
    with pytest.raises(DataError):
        scores([evaluate("a", majority(emotions), emotions), evaluate("b", majority(data), data)])


def test_folds_that_are_fitted_at_once_are_those_of_one_after_the_other() -> None:
    """Sparse fits run in threads: the answers are to the bit those of a loop, and BLAS has its threads again."""
    from scipy.sparse import random as sparse
    from threadpoolctl import threadpool_info

    random = np.random.default_rng(0)
    features = sparse(200, 40, density=0.2, format="csr", dtype=np.float32, random_state=random)
    targets, folds = random.integers(3, size=200), np.arange(200) % 5
    before = [each["num_threads"] for each in threadpool_info()]
    found = out_of_fold(features, targets, 3, TaskKind.SINGLE_LABEL, 1.0, folds)
    assert [each["num_threads"] for each in threadpool_info()] == before
    for fold in range(5):
        model = fit_linear(features[folds != fold], targets[folds != fold], 3, TaskKind.SINGLE_LABEL, 1.0)
        np.testing.assert_array_equal(found[folds == fold], model.logits(features[folds == fold]))


def test_few_rows_of_many_terms_are_fitted_as_rows_of_their_inner_products() -> None:
    """A tenth of the numbers to fit, and the same logits out of fold: also where rows are alike or have no term."""
    from scipy.sparse import csr_array, vstack
    from scipy.sparse import random as sparse

    random = np.random.default_rng(0)
    drawn = sparse(98, 1_000, density=0.05, format="csr", dtype=np.float32, random_state=random)
    features = csr_array(vstack([drawn, drawn[:1], csr_array((1, 1_000), dtype=np.float32)]))
    fewer = in_fewer_columns(features)
    assert fewer.shape == (100, 100)
    np.testing.assert_allclose(fewer @ fewer.T, (features @ features.T).toarray(), atol=1e-5)
    targets, folds = random.integers(3, size=100), np.arange(100) % 5
    found = out_of_fold(features, targets, 3, TaskKind.SINGLE_LABEL, 3.0, folds)
    for fold in range(5):
        model = fit_linear(features[folds != fold], targets[folds != fold], 3, TaskKind.SINGLE_LABEL, 3.0)
        np.testing.assert_allclose(found[folds == fold], model.logits(features[folds == fold]), atol=1e-3)


@pytest.mark.parametrize("shape", [(10, 39), (MOST_ROWS + 1, 4 * MOST_ROWS + 4)])
def test_other_rows_are_fitted_as_they_are(shape: tuple[int, int]) -> None:
    from scipy.sparse import csr_array

    sparse, dense = csr_array(shape, dtype=np.float32), np.zeros((10, 1_000), dtype=np.float32)
    assert in_fewer_columns(sparse) is sparse
    assert in_fewer_columns(dense) is dense
