"""The scikit-learn classifier: parameters, `fit`, `predict`, copies.

In: texts or a data frame, labels.  Out: LiftuneClassifier.
Not here: what X and y may be (texts.py, labels.py), errors in its own words (wording.py).
"""

from __future__ import annotations

import inspect
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from liftune import api, arguments
from liftune.claims import Held
from liftune.errors import ArtifactError, DataError, SpecError, choose, nearest
from liftune.evaluation.recommend import COSTS
from liftune.inference.chosen import RECOMMENDED, choose_contender
from liftune.inference.contenders import read_contender_card
from liftune.records.run import TuneRecord
from liftune.replacing import holds_run
from liftune.run_folder import RunFolder
from liftune.sklearn.labels import classes_of, labels_of, names_of, refuse_missing
from liftune.sklearn.texts import Texts, feature_names, option_of, texts_of
from liftune.sklearn.wording import own_words

#: What `fit` decides, or what is for files alone: these options of `tune` are no parameters.
NOT_PARAMETERS = frozenset(
    {
        *("data", "task", "label", "label_separator", "label_threshold", "label_names", "merge_labels", "label_map"),
        *("validation", "test", "split", "split_column", "train_rows", "test_rows", "group", "fill_down"),
        *("encoding", "no_header", "columns", "skip_lines", "decimal", "config", "resume", "dry_run", "listeners"),
        *("overwrite", "answers", "cost", "zero_shot", "describe"),
    }
)
#: Those whose default is another than that of `tune`: a search or a cross-validation around a classifier must not
#: multiply by folds of its own, nor show the progress of each fit.
_DEFAULTS = {"folds": "none", "quiet": True}


def _parameters() -> dict[str, inspect.Parameter]:
    """The parameters of the classifier: options of `tune`, by the same names, and `use` of `load`."""
    found = inspect.signature(api.tune).parameters
    kept = {name: each for name, each in found.items() if name not in NOT_PARAMETERS}
    kept["use"] = inspect.signature(api.load).parameters["use"]
    return {name: each.replace(default=_DEFAULTS.get(name, each.default)) for name, each in kept.items()}


PARAMETERS = _parameters()


class LiftuneClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """A pretrained model, tuned on texts by a parameter-efficient method.

    Parameters are the options of `liftune.tune` by the same names; None takes their default. `folds` is "none" here:
    cross-validate with scikit-learn. Of the rows given to `fit`, a tenth is validation, which stops early and chooses,
    and a tenth is test, on which `record_` says whether tuning helped; the rest is trained on. No column decides this.

    `use` names the contender that answers: tuned, tfidf, probe, base, majority, full, or recommended. None takes the
    tuned model, but where the verdict says that it is worse than the recommended one, as `liftune.load`; `fit` then
    warns.

    `skip_bad_rows=True` leaves rows without a text or a label out of `fit`, with a warning; else they are refused.
    `predict` answers every row: one without a text as an empty text, with a warning, and then also one that no model
    can read, which is refused otherwise.

    `out` names the folder of the run. No fit replaces a run: a further one, as in a search, takes `out-2`, `out-3`, ...
    `run_` says which.

    Attributes:
        classes_: (C,) the labels, sorted, as they were given.
        contender_: the name of the contender that answers.
        feature_names_in_: (F,) the columns of X, where it was a table; `predict` then needs those of text by name, in
            any order, and raises ValueError where one is missing. Texts without a table are taken as well.
        n_features_in_: F; not set where X was a list of texts.
        record_: the record of the run: contenders, verdict, intervals.
        run_: the run's folder: `out`, or a temporary one that goes with the classifier. A pickled or copied classifier
            holds the model itself.
    """

    def __init__(self, **options: Any) -> None:
        for name in options:
            if name not in PARAMETERS:
                raise TypeError(f"{type(self).__name__} has no parameter {name}{nearest(name, PARAMETERS)}")
        for name, each in PARAMETERS.items():
            setattr(self, name, options.get(name, each.default))

    def set_params(self, **params: Any) -> Self:
        """Set parameters, as of any estimator.

        Raises:
            ValueError: there is no parameter of that name; it says which is the nearest.
        """
        for name in params:
            if name not in PARAMETERS:
                raise ValueError(f"{type(self).__name__} has no parameter {name}{nearest(name, PARAMETERS)}")
        super().set_params(**params)
        return self

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 - scikit-learn's name
        """Tune on texts and their labels.

        Args:
            X: (N,) texts, or (N, 2) for pairs of texts; or a table, whose one text column is found, or those that the
                parameters text and text_pair name. No other column is read.
            y: (N,) labels of one type that can be sorted.

        Raises:
            LiftuneError: they are no texts, it is unclear which column is the text, or there are too few rows or
                labels.
        """
        with own_words(PARAMETERS):
            self._check_use()
            texts, labels = self._usable(texts_of(X, text=self.text, text_pair=self.text_pair), y)
            self.classes_, codes = classes_of(labels, getattr(y, "dtype", None))
            self._names = names_of(self.classes_)
            self._columns, self._features = texts.columns, texts.features
            self._set_features(X, texts)
            self._loaded: Any = None
            label = next(name for name in _LABELS if name not in {each.casefold() for each in texts.cells})
            data = {**texts.cells, label: [self._names[code] for code in codes]}
            self.record_: TuneRecord = self._tune(data, label=label, **option_of(texts.columns))
            self.run_ = str(Path(self.record_.run).resolve())
            chosen = choose_contender(Path(self.run_), self.use)
        self.contender_ = chosen.name
        if chosen.name != "tuned" and self.use in (None, RECOMMENDED):
            why = chosen.note.partition(": ")[2].partition("; --use")[0] or "the run recommends it"
            warnings.warn(
                f"answers come from {chosen.name}, not from the tuned model: {why}; use='tuned' takes the tuned model",
                stacklevel=2,
            )
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """(N,) the most likely label of each text, as `fit` was given it."""
        chances = self.predict_proba(X)
        return np.asarray(self.classes_[np.argmax(chances, axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """(N, C) probabilities, in the order of `classes_`."""
        check_is_fitted(self, "record_")
        with own_words(PARAMETERS):
            texts = self._texts_to_answer(X)
            rows, empty = texts.rows(skip=bool(self.skip_bad_rows))
            if empty:
                _warn(f"{_counted(empty)} of X without a text: answered as an empty text")
            predictions = self._model().predict(rows)
        found = [each.probabilities or {} for each in predictions]
        return np.array([[each.get(name, 0.0) for name in self._names] for each in found]).reshape(-1, len(self._names))

    def _set_features(self, X: Any, texts: Texts) -> None:  # noqa: N803
        """`feature_names_in_` and `n_features_in_`, where X has columns; texts by themselves have neither."""
        names = feature_names(X, texts)
        found = {
            "feature_names_in_": None if names is None else np.asarray(names, dtype=object),
            "n_features_in_": texts.width,
        }
        for name, value in found.items():
            if value is not None:
                setattr(self, name, value)
            elif hasattr(self, name):  # of an earlier fit
                delattr(self, name)

    def _texts_to_answer(self, X: Any) -> Texts:  # noqa: N803
        """The texts of X by the columns that `fit` read; a warning where nothing says that they are the same ones."""
        features = getattr(self, "_features", None)
        texts = texts_of(X, text=self.text, text_pair=self.text_pair, known=self._columns, features=features)
        name = type(self).__name__
        if texts.features and features is None:
            _warn(f"X has feature names, but {name} was fitted without feature names")
        elif features and texts.width is not None and not texts.features:
            _warn(f"X does not have valid feature names, but {name} was fitted with feature names")
        return texts

    def _check_use(self) -> None:
        """Refuse a contender that the run will not have, before it is tuned."""
        if self.use is None:
            return
        choose(arguments.text(self.use, "use"), (*COSTS, RECOMMENDED), "contender", "use")
        if self.use == "full" and not self.with_full:
            raise SpecError(
                "full is a contender only where it is asked for", where="use", hint="give with_full=True as well"
            )

    def _usable(self, texts: Texts, y: Any) -> tuple[Texts, list[Any]]:
        """The rows with a text and a label.

        Raises:
            DataError: one has none, and such rows are not to be skipped; or the numbers of both differ.
        """
        labels, unlabelled = labels_of(y)
        if len(texts) != len(labels):
            raise DataError(f"{len(texts):,} rows and {len(labels):,} labels", where="y", hint="give a label a row")
        if not self.skip_bad_rows:
            refuse_missing(unlabelled)
            if texts.missing:
                raise DataError(
                    f"{_counted(texts.missing)} of X without a text",
                    where="X",
                    hint="write a text, or leave such rows out with LiftuneClassifier(skip_bad_rows=True)",
                )
        bad = sorted({*texts.missing, *unlabelled})
        if bad:
            _warn(f"{_counted(bad)} of {len(labels):,} without a text or a label: left out of fit")
        if len(bad) == len(labels):
            raise DataError("no row has a text and a label", where="X", hint="give texts and labels")
        left_out = set(bad)
        return texts.without(bad), [each for i, each in enumerate(labels) if i not in left_out]

    def _tune(self, data: Mapping[str, Any], **columns: str | None) -> TuneRecord:
        """The run, in `out`, or the first folder after it that holds none; else in a temporary one."""
        own = ("out", "use", "text", "text_pair")
        options = {name: getattr(self, name) for name in PARAMETERS if name not in own} | columns
        options |= {"task": "single_label", "split_column": "none"}
        self._folder = None
        if self.out is None:
            self._folder = tempfile.mkdtemp(prefix="liftune-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return api.tune(data, out=str(Path(self._folder) / "run"), **options)
        for path in _numbered(Path(arguments.path(self.out, "out"))):
            if RunFolder(path).has_record:
                continue
            unfinished = holds_run(path)
            try:
                return api.tune(data, out=str(path), **options)
            except Held:  # by another fit of a search
                continue
            except ArtifactError:
                if not (unfinished or RunFolder(path).has_record):  # of another request, or of a fit that was quicker
                    raise
        raise ArtifactError(f"{self.out} has thousands of runs beside it", where="out", hint="name another folder")

    def _model(self) -> Any:
        """The contender that answers."""
        if self._loaded is None or self._loaded[0] != self.use:
            chosen = choose_contender(Path(self.run_), self.use)
            adapter = chosen.name in ("tuned", "full")
            reads_words = (
                not adapter and read_contender_card(chosen.folder).base is None
            )  # which has no device to choose
            kept = {} if reads_words else {name: getattr(self, name) for name in ("device", "trust_remote_code")}
            options = {name: value for name, value in kept.items() if value is not None}
            self._loaded = (self.use, api.load(self.run_, use=self.use, **options))
            self.contender_ = chosen.name
        return self._loaded[1]

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


#: Names for the column of the labels, of which the first is taken that no column of text has.
_LABELS = ("label", "labels", "class", "target", "y")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    yield from (path.with_name(f"{path.name}-{i}") for i in range(2, 10_000))


def _counted(rows: list[int]) -> str:
    """How many rows, and which is the first.

    >>> _counted([2]), _counted([2, 7])
    ('row 3', '2 rows (the first: row 3)')
    """
    return f"row {rows[0] + 1}" if len(rows) == 1 else f"{len(rows):,} rows (the first: row {rows[0] + 1})"


def _warn(what: str) -> None:
    warnings.warn(what, stacklevel=4)
