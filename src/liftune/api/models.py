"""`load`, `predict`, `evaluate` and `compare`: what opens models and their runs.

In: paths, options.  Out: predictors, records.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from liftune import arguments
from liftune.api.calls import Data, as_loaded, progress, said, verb, with_rows
from liftune.errors import EXTRAS, DataError, SpecError, need
from liftune.files import same_file
from liftune.python_names import argument, in_python
from liftune.records.predictions import FolderRecord
from liftune.records.run import ComparisonRecord, EvaluationRecord

if TYPE_CHECKING:
    from liftune.inference.predictor import Predictor
    from liftune.models.foreign.said import Said
    from liftune.progress import Progress


@verb
def load(
    run: str | os.PathLike[str],
    *,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
    trust_remote_code: bool = False,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
    pairs: bool = False,
) -> Predictor:
    """A run's tuned model, or a bundle that was exported from one, ready to `predict(["some text"])`; or an adapter of
    plain PEFT, or a fully tuned model of others.

    Args:
        use: which contender of the run: majority, tfidf, base, probe, contrastive, tuned, full, or recommended. None
            takes the tuned model, unless the verdict says that it is worse than the recommended one; `note` says so.
        base: the adapter's base model, where it is no longer where it was when it was tuned on.
        precision: float32, bfloat16 or fastest; see `liftune predict --help`.
        min_precision: leave rows without a label where the model is too unsure for this share of its predictions to
            be right; see `liftune predict --help`.
        trust_remote_code: run Python code that comes with the model, where it was tuned with such code: read it first.
            Nothing that lies in a folder allows it.
        label_names: of the outputs, in order, of a model that others saved; None takes those of its config.
        task: what such a model predicts; None takes it from its config or head.
        pairs: whether such a model is to read pairs of texts.
    """
    predictor = _load(
        arguments.path(run, "run"),
        load_options(use, base, device, with_base, precision, min_precision, trust_remote_code),
        said(label_names, task, pairs=pairs),
    )
    predictor.words = (in_python, argument)
    return predictor


def load_options(
    use: object,
    base: object,
    device: object,
    with_base: object,
    precision: object,
    min_precision: object,
    trust_remote_code: object,
) -> dict[str, Any]:
    """The options of `load`.

    Raises:
        SpecError: one is of a wrong type.
    """
    return {
        "use": arguments.text_or_none(use, "use"),
        "base": arguments.path_or_none(base, "base"),
        "device": arguments.text_or_none(device, "device"),
        "with_base": arguments.switch(with_base, "with_base"),
        "precision": arguments.text_or_none(precision, "precision"),
        "min_precision": arguments.number_or_none(min_precision, "min_precision"),
        "trust_remote_code": arguments.switch(trust_remote_code, "trust_remote_code"),
    }


def _load(run: str, options: Mapping[str, Any], told: Said) -> Predictor:
    from liftune.inference.bases import use_base
    from liftune.inference.opening import load_predictor

    told = use_base(options["base"], run, use=options["use"], with_base=options["with_base"], said=told)
    return load_predictor(run, **{name: value for name, value in options.items() if name != "base"}, said=told)


@verb
def predict(
    data: Data,
    *,
    model: str | os.PathLike[str] | Predictor,
    text: str | None = None,
    text_pair: str | None = None,
    out: str | os.PathLike[str] | None = None,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
    trust_remote_code: bool = False,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    explain: bool = False,
    quiet: bool | None = None,
) -> Any:
    """Predictions of rows, given back as what they were given: `liftune predict`.

    Args:
        data: a data frame, an Arrow table, a Dataset or DatasetDict, a list of dicts or a dict of columns: the same
            comes back with columns for the prediction, `probabilities.LABEL` and `error`, in parts where it has
            parts. Predicted labels are of the type of the table's own label column: ints, bools, ClassLabel. Of
            texts, or of (text, text) tuples, in a list, a Series, an array or a generator, a list of predictions.
            Of a file a list of predictions, or with `out` its path. Of a folder of files, with `out` another folder, a
            record of what came of each: the same call goes on where one was stopped.
        model: a run, an adapter or a bundle, or what `load` returned.
        text: the column that holds the text, where that is not clear; "subject,body" joins two.
        text_pair: the column of the second text.
        out: the file that predictions are written to, for data that are a file, or the folder, for a folder; see
            `liftune predict --help`.
        jobs: of a folder: processes that work at once, each with the model; None is one, on a cluster as many as it
            holds.
        cluster: of a folder: the address of a Ray cluster that does the work, or auto; see `liftune predict --help`.
        explain: of texts or a file: each prediction gets an `explanation`; see `explain`.
        quiet: show nothing on stderr; None shows progress in a terminal and in a notebook, and always says which
            contender answers where it is not the tuned model.

    The others are those of `load`.

    Raises:
        LiftuneError: anything that you can fix.
    """
    from liftune.data.readers.memory import tables_of
    from liftune.inference.rows import texts_of
    from liftune.inference.tables import predict_tables

    options = load_options(use, base, device, with_base, precision, min_precision, trust_remote_code)
    text, text_pair = arguments.text_or_none(text, "text"), arguments.text_or_none(text_pair, "text_pair")
    shown, to = progress(quiet), arguments.path_or_none(out, "out")
    data = texts_of(data)
    pairs = bool(text_pair) or (isinstance(data, list | tuple) and isinstance(next(iter(data), None), tuple))
    opened = opener_of(model, options, told := said(label_names, task, pairs=pairs), shown.tell)
    if arguments.switch(explain, "explain"):
        from liftune.api.explaining import explaining_opener

        opened = explaining_opener(opened, data, to)
    if isinstance(data, str | os.PathLike) and is_folder_of(data):
        columns = {"text": text, "text_pair": text_pair}
        by = {
            "jobs": None if jobs is None else arguments.count(jobs, "jobs"),
            "cluster": arguments.text_or_none(cluster, "cluster"),
        }
        return _predict_folder(arguments.path(data, "data"), model, options, told, to, {**columns, **by}, shown)
    for name, value in (("jobs", jobs), ("cluster", cluster)):
        if value is not None:
            raise SpecError(f"{name} is for a folder of files", where=name, hint="leave it out, or give a folder")
    if data is None or isinstance(data, str | os.PathLike):
        return _predict_file(arguments.path(data, "data"), opened, to, text, text_pair, shown)
    if to is not None:
        raise SpecError(
            "only a file's predictions are written to a file",
            where="out",
            hint="leave it out, and write what comes back: table.to_csv(...)",
        )
    if isinstance(data, list | tuple) and not any(isinstance(each, Mapping) for each in data):
        if text or text_pair:
            raise SpecError("texts have no columns", where="text", hint="leave it out")
        return opened().predict(data)
    tables = tables_of(data)
    return predict_tables(opened(), tables, text=text, text_pair=text_pair, tell=shown.tell)


def opener_of(
    model: object, options: Mapping[str, Any], told: Said, tell: Callable[[str], None]
) -> Callable[[], Predictor]:
    """What gives the model, once the data are known to be there, and says what there is to say of it."""

    def opened(predictor: Predictor) -> Predictor:
        if note := getattr(predictor, "note", ""):
            tell(note)
        return predictor

    if isinstance(model, str | os.PathLike) or not (hasattr(model, "predict") and hasattr(model, "columns")):
        path = arguments.path(model, "model")
        return lambda: opened(_load(path, options, told))
    given = [name for name, value in options.items() if value is not None and value is not False]
    given += [name for name, value in (("label_names", told.label_names), ("task", told.task)) if value]
    if given:
        raise SpecError(
            "the model is loaded already", where=", ".join(given), hint="give them to load, or give the run's path"
        )
    return lambda: opened(cast("Predictor", model))


def is_folder_of(data: str | os.PathLike[str]) -> bool:
    """Whether a path or an address is a folder of files to predict."""
    from liftune.addresses import addressed
    from liftune.workflows.predicted_folders import takes_folder

    return takes_folder(addressed(os.fspath(data)))


def _predict_folder(
    source: str,
    model: object,
    options: Mapping[str, Any],
    told: Said,
    out: str | None,
    more: Mapping[str, Any],
    progress: Progress,
) -> FolderRecord:
    from liftune.bulk.run import predict_folder
    from liftune.inference.bases import use_base
    from liftune.workflows.predict import PredictOptions

    origin = getattr(model, "origin", None)
    if origin is not None:  # a model that is loaded: as it was loaded
        model, options, told = origin.path, {**options, **origin.options}, origin.options["said"]
    given = {name: value for name, value in options.items() if name not in ("base", "said")}
    run = arguments.path(model, "model")
    asked = PredictOptions(run, source=source, out=out, said=told, **more, **given)
    asked.check()
    base = use_base(options["base"], run, use=asked.use, with_base=asked.with_base, said=told)
    return predict_folder(replace(asked, said=base), progress)


def _predict_file(
    source: str,
    opened: Callable[[], Predictor],
    out: str | None,
    text: str | None,
    text_pair: str | None,
    progress: Progress,
) -> Any:
    from liftune.addresses import Address, addressed, refuse_unread
    from liftune.claims import claim_file
    from liftune.data.readers.formats import missing, path_of
    from liftune.inference.files import iter_predictions, predict_file
    from liftune.inference.writers import check_out

    source = addressed(source)
    if isinstance(source, Address):
        refuse_unread(source)
    elif not path_of(source).is_file():
        error = missing(path_of(source))
        raise DataError(
            error.message, where="data", hint='a path is read as a file; texts come in a list: predict(["some text"])'
        )
    if out is None:
        return list(iter_predictions(opened(), source, text=text, text_pair=text_pair, progress=progress))
    check_out(out)
    if same_file(Path(source), Path(out)):
        raise SpecError("out would replace the file that is read", where="out", hint="name another file")
    with claim_file(Path(out)):
        predict_file(opened(), source, out, text=text, text_pair=text_pair, progress=progress)
    return Path(out)


@verb
def evaluate(
    data: Data,
    *,
    model: str | os.PathLike[str] | Predictor,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    answers: Mapping[str, Any] | Sequence[str] | str | None = None,
    cost: Mapping[str, float] | Sequence[str] | str | None = None,
    quiet: bool | None = None,
    **options: Any,
) -> EvaluationRecord:
    """Score a run, an adapter or a pretrained model on a data set's test rows: `liftune evaluate`.

    Args:
        data: as for `tune`; of rows in memory, the test rows are scored.
        model: a run, an adapter or a pretrained model, or what `load` returned.
        use: which contender of a run; see `load`.
        base: the adapter's base model; see `load`.
        answers: labels made elsewhere, {"gpt": "answers.csv"}, which the model is compared with; as for `tune`.
        cost: what a row of them costs, {"gpt": 0.002}.
        quiet: as of `tune`.
        options: data and model options of `tune`, and config: text, label, task, test_rows, label_map, device, ...
    """
    need(*EXTRAS["tune"])
    from liftune.progress import listeners
    from liftune.workflows.evaluate import evaluate_model

    heard = listeners(progress(quiet))
    use, metric = arguments.text_or_none(use, "use"), arguments.text_or_none(metric, "metric")
    if data is None:
        arguments.path(data, "data")
    scored = as_loaded(model) or {"model": arguments.path(model, "model")}
    use = use or scored.pop("use", None)
    beside = {"metric": metric, "answers": answers, "cost": cost}
    spec, rows = with_rows("evaluate", data, {**scored, **beside, **options})
    base = arguments.path_or_none(base, "base")
    return evaluate_model(spec, rows, use=use, base=base, listeners=heard)


@verb
def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    metric: str | None = None,
    margin: float | None = None,
    max_harm: float | None = None,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share, b against a: `liftune compare`.

    Args:
        a, b: runs; one of them may be a model by itself, here or on the hub: it is scored on the other's test rows.
        margin: points of accuracy, else in the metric's own unit: also says whether b is not worse by as much.
        max_harm: in the same unit: `record.harmless` is True where the interval rules out that b, the new model, is
            worse than a, the old one, by more. The test rows of a decide; b may have other rows and more labels.
        use: which contender of both; see `load`.
        base, label_names, task: of the model by itself; see `load`.
    """
    from liftune.workflows.compare import compare_runs

    return compare_runs(
        arguments.path(a, "a"),
        arguments.path(b, "b"),
        metric=arguments.text_or_none(metric, "metric"),
        margin=arguments.number_or_none(margin, "margin"),
        max_harm=arguments.number_or_none(max_harm, "max_harm"),
        use=arguments.text_or_none(use, "use"),
        base=arguments.path_or_none(base, "base"),
        said=said(label_names, task),
    )
