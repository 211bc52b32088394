"""A scikit-learn classifier of texts: fit, predict, predict_proba, score; in pipelines, searches and cross-validation.

In: texts or a data frame, labels.  Out: LiftuneClassifier.
Not here: any work; it calls `liftune.tune` and `liftune.load`.

    >>> from liftune.sklearn import LiftuneClassifier
    >>> LiftuneClassifier(epochs=2, lr=3e-4)
    LiftuneClassifier(epochs=2, lr=0.0003)
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from liftune import api
from liftune.data.readers.memory import tables_of
from liftune.errors import EXTRAS, DataError, need
from liftune.inference.tables import predictions_of
from liftune.records.run import TuneRecord

need(*EXTRAS["tune"])  # says what to install, where scikit-learn is missing

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

#: What `fit` decides, or what is for files alone: these options of `tune` are no parameters.
NOT_PARAMETERS = frozenset(
    {
        *("data", "task", "label", "label_separator", "label_threshold", "label_names", "merge_labels", "label_map"),
        *("validation", "test", "split", "split_column", "train_rows", "test_rows", "skip_bad_rows", "group"),
        *("encoding", "no_header", "columns", "skip_lines", "decimal", "config", "resume", "dry_run", "listeners"),
        "overwrite",
    }
)
#: Those whose default is another than that of `tune`: a search or a cross-validation around a classifier must not
#: multiply by folds of its own, nor show the progress of each fit.
_DEFAULTS = {"folds": "none", "quiet": True}


def _parameters() -> dict[str, inspect.Parameter]:
    """The parameters of the classifier: options of `tune`, by the same names."""
    found = inspect.signature(api.tune).parameters
    kept = {name: each for name, each in found.items() if name not in NOT_PARAMETERS}
    return {name: each.replace(default=_DEFAULTS.get(name, each.default)) for name, each in kept.items()}


PARAMETERS = _parameters()


class LiftuneClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A pretrained model, tuned on texts by a parameter-efficient method.

    Parameters are the options of `liftune.tune` by the same names; None takes their default. `folds` is "none" here:
    cross-validate with scikit-learn. Of the rows given to `fit`, a tenth is validation, which stops early and chooses,
    and a tenth is test, on which `record_` says whether tuning helped; the rest is trained on.

    Attributes:
        classes_: (C,) the labels, sorted, as they were given.
        record_: the record of the run: contenders, verdict, intervals.
        run_: the run's folder: `out`, or a temporary one that goes with the classifier. A pickled or copied classifier
            holds the model itself.
    """

    def __init__(self, **options: Any) -> None:
        wrong = [name for name in options if name not in PARAMETERS]
        if wrong:
            raise TypeError(f"{type(self).__name__} has no parameter {', '.join(wrong)}")
        for name, each in PARAMETERS.items():
            setattr(self, name, options.get(name, each.default))

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Tune on texts and their labels.

        Args:
            X: (N,) texts, or (N, 2) for pairs of texts; or a data frame, whose text columns are found or named by the
                parameters text and text_pair.
            y: (N,) labels of any type that can be sorted.

        Raises:
            LiftuneError: they are no texts, or there are too few rows or labels.
        """
        labels = _labels(y)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        names = _names(self.classes_)
        data = _with_labels(X, [names[code] for code in codes])
        given = {name: getattr(self, name) for name in PARAMETERS}
        self.run_, self._folder = given.pop("out"), None
        if self.run_ is None:
            self._folder = tempfile.mkdtemp(prefix="liftune-")
            self.run_ = str(Path(self._folder) / "run")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        options = {"text": given.pop("text"), "text_pair": given.pop("text_pair")}
        options |= {"label": LABEL} if not isinstance(data, tuple) else {}
        self.record_: TuneRecord = api.tune(data, out=self.run_, task="single_label", **options, **given)
        self.run_ = str(Path(self.record_.run).resolve())
        self._loaded: Any = None
        self._names = names
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(N,) the most likely label of each text, as `fit` was given it."""
        chances = self.predict_proba(X)
        return np.asarray(self.classes_[np.argmax(chances, axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(N, C) probabilities, in the order of `classes_`."""
        check_is_fitted(self, "record_")
        rows = _rows(X)
        if isinstance(rows, list):
            predictions = self._model().predict(rows)
        else:
            predictions = predictions_of(self._model(), tables_of(rows), text=self.text, text_pair=self.text_pair)
        found = [each.probabilities or {} for each in predictions]
        return np.array([[each.get(name, 0.0) for name in self._names] for each in found]).reshape(-1, len(self._names))

    def _model(self) -> Any:
        """The tuned model, or the recommended contender where the verdict says that it is better."""
        if self._loaded is None:
            kept = {name: getattr(self, name) for name in ("device", "trust_remote_code")}
            options = {name: value for name, value in kept.items() if value is not None}
            self._loaded = api.load(self.run_, **options)
        return self._loaded

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "record_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = tags.classifier_tags.poor_score = False
        return tags

    # Copies hold the run's files, as its folder may be gone where they are opened ------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "run_" in state:
            run = Path(state["run_"])
            state["_files"] = {
                str(each.relative_to(run)): each.read_bytes() for each in sorted(run.rglob("*")) if each.is_file()
            }
            state["_loaded"] = state["_folder"] = None
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        files = state.get("_files")
        super().__setstate__({name: value for name, value in state.items() if name != "_files"})
        if files is None:
            return
        self._folder = tempfile.mkdtemp(prefix="liftune-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        run = Path(self._folder) / Path(self.run_).name
        for name, content in files.items():
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_bytes(content)
        self.run_ = str(run)


# inspect.signature, by which scikit-learn finds parameters, and help() show them one by one.
LiftuneClassifier.__init__.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in PARAMETERS.values()),
    ]
)

#: The column of the labels in a data frame that is tuned on.
LABEL = "__label__"


def _labels(y: Any) -> NDArray[Any]:
    """(N,) labels.

    Raises:
        DataError: none, several a row, or numbers with a fraction.
    """
    if y is None:
        raise DataError("requires y to be passed, but the target y is None", where="y", hint="give a label a text")
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"y has {labels.ndim} dimensions, not one",
            where="y",
            hint="give one label a text; for several labels a text: liftune.tune((texts, lists_of_labels))",
        )
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise DataError("y has a label that is missing (NaN) or infinite", where="y", hint="leave the row out")
        if (labels != np.round(labels)).any():
            raise DataError(
                "y holds decimal numbers, which are no labels (continuous)",
                where="y",
                hint="for a regression: liftune.tune((texts, numbers))",
            )
    if labels.dtype.kind == "O":
        missing = [i for i, each in enumerate(labels) if each is None or each != each]
        if missing:
            raise DataError(f"y has no label in row {missing[0] + 1}", where="y", hint="leave the row out")
    return labels


def _names(classes: NDArray[Any]) -> list[str]:
    """Each class as a label of liftune's: as it is written, where that tells the classes apart."""
    names = [str(each) for each in classes.tolist()]
    return (
        names
        if len({name.strip() for name in names}) == len(names) and all(names)
        else list(map(str, range(len(names))))
    )


def _rows(X: Any) -> Any:  # noqa: N803
    """Texts or pairs as a list; a data frame as it is.

    Raises:
        DataError: it has neither one dimension nor two texts a row.
    """
    if hasattr(X, "columns"):
        return X
    if isinstance(X, str) or not hasattr(X, "__iter__"):
        raise DataError("X is no list of texts", where="X", hint='give a list of texts: ["some text"]')
    found = X.tolist() if hasattr(X, "tolist") else list(X)
    if found and all(isinstance(each, list) for each in found):
        widths = {len(each) for each in found}
        if widths == {1}:
            return [each[0] for each in found]
        if widths == {2}:
            return [tuple(each) for each in found]
        raise DataError("X has rows of several texts", where="X", hint="give (N,) texts, or a data frame and text=")
    return found


def _with_labels(X: Any, labels: list[str]) -> Any:  # noqa: N803
    """Rows and labels as `tune` takes them."""
    rows = _rows(X)
    if isinstance(rows, list):
        return rows, labels
    if len(rows) != len(labels):
        raise DataError(f"{len(rows):,} rows and {len(labels):,} labels", where="y", hint="give a label a row")
    if hasattr(rows, "assign"):
        return rows.assign(**{LABEL: labels})
    return rows.hstack(type(rows)({LABEL: labels}))
