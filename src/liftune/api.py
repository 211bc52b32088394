"""The Python API: the commands of the command line as functions, with the same options by the same names.

In: options.  Out: records, predictors, inspections.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from liftune.errors import EXTRAS, SpecError, need
from liftune.records.run import ComparisonRecord, EvaluationRecord, TuneRecord
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec

if TYPE_CHECKING:
    from liftune.data.inspect import Inspection
    from liftune.data.splits import BecomesSplits
    from liftune.events import Listener
    from liftune.inference.predictor import Predictor
    from liftune.records.sweep import SweepRecord
    from liftune.workflows.doctor import Checkup


def tune(
    data: str | Path | BecomesSplits | None = None,
    *,
    model: str | None = None,
    method: str | None = None,
    set: Mapping[str, Any] | Sequence[str] | None = None,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    text_pair: str | None = None,
    label: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    label_threshold: float | None = None,
    label_names: Sequence[str] | str | None = None,
    merge_labels: Sequence[str] | str | None = None,
    train_rows: int | None = None,
    test_rows: int | None = None,
    validation: str | None = None,
    test: str | None = None,
    split: Mapping[str, str] | str | None = None,
    split_column: str | None = None,
    skip_bad_rows: bool | None = None,
    encoding: str | None = None,
    no_header: bool | None = None,
    columns: Sequence[str] | str | None = None,
    skip_lines: int | None = None,
    group: str | None = None,
    near_duplicates: float | str | None = None,
    split_seed: int | None = None,
    label_map: Mapping[str, str] | str | None = None,
    max_length: int | None = None,
    device: str | None = None,
    trust_remote_code: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    warmup_fraction: float | None = None,
    weight_decay: float | None = None,
    max_grad_norm: float | None = None,
    patience: int | None = None,
    head: str | None = None,
    teacher_share: float | None = None,
    class_weights: bool | None = None,
    seeds: Sequence[int] | int | str | None = None,
    accelerations: Sequence[str] | str | None = None,
    metric: str | None = None,
    with_full: bool | None = None,
    margin: float | None = None,
    folds: int | Literal["auto", "none"] | None = None,
    curve: bool | None = None,
    out: str | Path | None = None,
    quiet: bool = True,
    listeners: Sequence[Listener] = (),
) -> TuneRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save: `liftune tune`.

    Args:
        data: a file, a folder, a hub id, or `sample:NAME`; or rows in memory, as `liftune.data.load_data` returns
            them. None takes sample:emotions.
        model: minilm, a hub id, or a local folder.
        method: one of `liftune list methods`.
        set: options of the method, {"rank": 16} or ["rank=16"].
        quiet: show no progress on stderr.
        listeners: are sent what happens, as it happens: subclasses of `liftune.Listener`.

    The others are those of `liftune tune --help`; None takes the default.

    Returns:
        the record of the run; `record.run` is its folder, for `liftune.load`.

    Raises:
        LiftuneError: anything that you can fix, with message, where and hint.
    """
    options = {name: value for name, value in locals().items() if name not in ("data", "quiet", "listeners")}
    from liftune.progress import Progress
    from liftune.progress import listeners as on_stderr
    from liftune.workflows.tune import tune as run_tune

    if out is not None:
        options["out"] = str(out)
    spec, rows = _with_rows(data, options)
    return run_tune(spec, rows, listeners=(*on_stderr(Progress(quiet=quiet)), *listeners))


def _with_rows(
    data: str | Path | BecomesSplits | None, options: Mapping[str, Any]
) -> tuple[RunSpec, BecomesSplits | None]:
    """A spec, and the rows where they are in memory.

    Raises:
        SpecError: rows in memory, and options that say how to read a source; or neither a path nor rows.
    """
    if data is None or isinstance(data, str | os.PathLike):
        return RunSpec.of(data=None if data is None else os.fspath(data), **options), None
    if not hasattr(data, "to_splits"):
        raise SpecError(
            f"a value of type {type(data).__name__} is no data set",
            where="data",
            hint='give a path, or rows as liftune.data.load_data returns them; a table: table.to_csv("data.csv")',
        )
    reading = [name for name, value in options.items() if value is not None and OPTIONS.get(name, ("",))[0] == "data"]
    unused = [name for name in reading if name != "split_seed"]
    if unused:
        raise SpecError(
            "rows in memory are taken as they are, and not read or sampled again",
            where=", ".join(unused),
            hint="leave the option out, or give a path",
        )
    return RunSpec.of(data=IN_MEMORY, **options), data


def load(
    run: str | Path,
    *,
    use: str | None = None,
    base: str | Path | None = None,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
    trust_remote_code: bool = False,
) -> Predictor:
    """A run's tuned model, or a bundle that was exported from one, ready to `predict(["some text"])`.

    Args:
        use: which contender of the run: majority, tfidf, base, probe, tuned, full, or recommended. None takes the tuned
            model, but where the verdict says that it is worse than the recommended one: `note` then says so.
        base: the adapter's base model, where it is no longer where it was when it was tuned on.
        precision: float32, bfloat16 or fastest; see `liftune predict --help`.
        min_precision: leave rows without a label where the model is too unsure for this share of its predictions to
            be right; see `liftune predict --help`.
        trust_remote_code: run Python code that comes with the model, where it was tuned with such code: read it first.
            Nothing that lies in a folder allows it.
    """
    from liftune.inference.predictor import load_predictor
    from liftune.models.moved_bases import look_in

    look_in(None if base is None else str(base))
    return load_predictor(
        run,
        use=use,
        device=device,
        with_base=with_base,
        precision=precision,
        min_precision=min_precision,
        trust_remote_code=trust_remote_code,
    )


def evaluate(
    data: str | Path | BecomesSplits,
    *,
    model: str | Path,
    use: str | None = None,
    base: str | Path | None = None,
    metric: str | None = None,
    **options: Any,
) -> EvaluationRecord:
    """Score a run, an adapter or a pretrained model on a data set's test rows: `liftune evaluate`.

    Args:
        data: as for `tune`; of rows in memory, the test rows are scored.
        use: which contender of a run; see `load`.
        base: the adapter's base model; see `load`.
        options: data and model options of `tune`: text, label, task, test_rows, label_map, device, ...
    """
    need(*EXTRAS["tune"])
    from liftune.models.moved_bases import look_in
    from liftune.workflows.evaluate import evaluate_model

    look_in(None if base is None else str(base))
    spec, rows = _with_rows(data, {"model": str(model), **options})
    return evaluate_model(spec.data, spec.model, rows, use=use, metric=metric)


def compare(
    a: str | Path,
    b: str | Path,
    *,
    metric: str | None = None,
    margin: float | None = None,
    use: str | None = None,
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share, b against a: `liftune compare`.

    Args:
        margin: points of accuracy, else in the metric's own unit: also says whether b is not worse by as much.
        use: which contender of both; see `load`.
    """
    from liftune.workflows.compare import compare_runs

    return compare_runs(str(a), str(b), metric=metric, margin=margin, use=use)


def sweep(
    data: str | None = None,
    *,
    methods: Sequence[str] | str,
    models: Sequence[str] | str | None = None,
    seeds: Sequence[int] | int | str | None = None,
    jobs: int = 1,
    out: str | Path | None = None,
    picture: str | Path | None = None,
    quiet: bool = True,
    **options: Any,
) -> SweepRecord:
    """Every model tuned by every method under every seed on the same rows, and ranked: `liftune sweep`.

    Args:
        methods: names, or "all".
        models: None takes minilm.
        jobs: cells tuned at once. Above 1, call it under `if __name__ == "__main__":`, as each is a fresh process.
        picture: a .svg or .png to draw scores against costs in.
        options: data, model and train options of `tune`, metric, and set={"METHOD.KEY": VALUE}.
    """
    need(*EXTRAS["tune"])
    from liftune.progress import Progress
    from liftune.sweeps.grid import SweepSpec
    from liftune.sweeps.plot import check_picture, draw
    from liftune.sweeps.run import sweep as run_sweep

    run = RunSpec.of(data=data, seeds=seeds, out=None if out is None else str(out), **options)
    if picture is not None:
        check_picture(str(picture))
    record = run_sweep(SweepSpec.of(run, methods, models), jobs=jobs, progress=Progress(quiet=quiet))
    if picture is not None:
        draw(record, str(picture))
    return record


def inspect(
    data: str,
    *,
    model: str | None = "minilm",
    max_length: int | None = None,
    out: str | Path | None = None,
    drop: Sequence[str] = (),
    **options: Any,
) -> Inspection:
    """What is in a data set before any model sees it: `liftune inspect`.

    Args:
        model: whose tokens to count; None counts words.
        out: where to write the cleaned data: a .jsonl file, or a folder of them.
        drop: what `out` leaves out beyond bad, repeated, conflicting and leaked rows: near, suspects.
        options: data options of `tune`: text, label, task, split, ...
    """
    from liftune.workflows.inspect import inspect_data

    place = None if out is None else str(out)
    return inspect_data(RunSpec.of(data=data, **options).data, model=model, max_length=max_length, out=place, drop=drop)


def doctor(
    data: str | None = None, *, model: str | Path | None = None, remeasure: bool = False, **options: Any
) -> Checkup:
    """What was measured on this machine and what the plan would be, for a model and data: `liftune doctor`.

    Args:
        data: a data set to plan for; None plans for none.
        model: None looks at the machine only, or with data at the default model.
        remeasure: ignore earlier measurements.
        options: data and model options of `tune`, batch_size and accelerations.
    """
    need(*EXTRAS["tune"])
    from liftune.workflows.doctor import run_doctor

    return run_doctor(
        RunSpec.of(data=data, model=None if model is None else str(model), **options), remeasure=remeasure
    )


def render(run: str | Path, *, format: str = "md") -> str:
    """The report of a run as Markdown, HTML or JSON: `liftune report`. In Python `liftune.report` is a package.

    Args:
        format: md, html or json.
    """
    from liftune.run_folder import RunFolder
    from liftune.workflows.report import FORMATS, format_of, read_run

    to_text = FORMATS[format_of(format, None) or "md"]
    return to_text(*read_run(RunFolder.open(run)))
