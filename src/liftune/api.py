"""The Python API: the commands of the command line as functions, with the same options by the same names.

In: options.  Out: records, predictors, inspections.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from liftune import arguments
from liftune.errors import EXTRAS, LiftuneError, SpecError, choose, lacks_memory, need, shown
from liftune.records.run import ComparisonRecord, EvaluationRecord, TuneRecord
from liftune.spec import IN_MEMORY, OPTIONS, RunSpec, options_of

if TYPE_CHECKING:
    from liftune.data.inspect import Inspection
    from liftune.data.splits import BecomesSplits
    from liftune.events import Listener
    from liftune.inference.predictor import Predictor
    from liftune.records.check import CheckRecord
    from liftune.records.sweep import SweepRecord
    from liftune.workflows.doctor import Checkup

Given = ParamSpec("Given")
Result = TypeVar("Result")


def _verb(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The function, which raises OutOfMemory in the place of a library's own error of memory."""

    @functools.wraps(function)
    def call(*given: Given.args, **named: Given.kwargs) -> Result:
        try:
            return function(*given, **named)
        except Exception as error:
            if isinstance(error, LiftuneError) or not lacks_memory(error):
                raise
            from liftune.hardware.memory import short_of_memory

            short = short_of_memory(error)
            for note in getattr(error, "__notes__", ()):  # what is kept, and how to go on
                short.add_note(note)
            raise short from None

    return call


@_verb
def tune(
    data: str | os.PathLike[str] | BecomesSplits | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
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
    validation: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
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
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = 5.0,
    keep_checkpoints: bool = False,
    dry_run: bool = False,
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
        resume: an unfinished run's folder, to go on with; with rows in memory, give the same ones as data.
        checkpoint_minutes: between two checkpoints within an epoch.
        keep_checkpoints: keep the folder checkpoint when the run has ended.
        dry_run: check everything, time a few steps, write nothing.
        quiet: show no progress on stderr.
        listeners: are sent what happens, as it happens: subclasses of `liftune.Listener`.

    The others are those of `liftune tune --help`; None takes the default. The same call goes on with a run that was
    interrupted.

    Returns:
        the record of the run; `record.run` is its folder, for `liftune.load`. Of a dry run instead a `DryRun`, with
        `would_run`, `faults`, `data`, `plan`, `memory`, `disk`, `stages` and `seconds`.

    Raises:
        LiftuneError: anything that you can fix, with message, where and hint; a dry run has faults in its result.
    """
    switches = ("data", "quiet", "listeners", "resume", "checkpoint_minutes", "keep_checkpoints", "dry_run")
    options = {name: value for name, value in locals().items() if name not in (*switches, "switches")}
    from liftune.progress import Progress
    from liftune.progress import listeners as on_stderr
    from liftune.workflows.tune import Keeping, again
    from liftune.workflows.tune import tune as run_tune

    spec, rows = _with_rows(data, options)
    if resume is not None:
        spec = again(arguments.path(resume, "resume"), spec)
    minutes = arguments.number(checkpoint_minutes, "checkpoint_minutes")
    keeping = Keeping(minutes, arguments.switch(keep_checkpoints, "keep_checkpoints"))
    heard = (*on_stderr(Progress(quiet=arguments.switch(quiet, "quiet"))), *_listeners(listeners))
    if arguments.switch(dry_run, "dry_run"):
        from liftune.workflows.dry_run import dry_run as try_run

        return cast(TuneRecord, try_run(spec, rows, listeners=heard))  # a union would burden every other call
    return run_tune(spec, rows, keeping=keeping, listeners=heard)


def _listeners(given: object) -> tuple[Listener, ...]:
    """What listens to a run.

    Raises:
        SpecError: something in it cannot.
    """
    from liftune.events import Listener

    found = tuple(given) if isinstance(given, list | tuple) else (given,)
    for each in found:
        if not isinstance(each, Listener):
            raise SpecError(
                f"listeners must be listeners, not {shown(each)}",
                where="listeners",
                hint="give a list of objects of a subclass of liftune.Listener",
            )
    return found


def _spec(verb: str, data: object, options: Mapping[str, Any]) -> RunSpec:
    """A spec of a path and of options that the verb takes.

    Raises:
        SpecError: the verb has no such option, or one has a wrong value.
    """
    for name in options:
        choose(name, options_of(verb), f"option of {verb}")
    return RunSpec.of(data=arguments.path_or_none(data, "data"), **options)


def _with_rows(
    data: str | os.PathLike[str] | BecomesSplits | None, options: Mapping[str, Any]
) -> tuple[RunSpec, BecomesSplits | None]:
    """A spec, and the rows where they are in memory.

    Raises:
        SpecError: rows in memory, and options that say how to read a source; or neither a path nor rows.
    """
    if data is None or isinstance(data, str | os.PathLike):
        return RunSpec.of(data=arguments.path_or_none(data, "data"), **options), None
    if not hasattr(data, "to_splits"):
        raise SpecError(
            f"data must be a path or rows: {shown(data)}, a value of type {type(data).__name__}, is no data set",
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


@_verb
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
    from liftune.inference.bases import use_base
    from liftune.inference.predictor import load_predictor

    place = arguments.path(run, "run")
    options: dict[str, Any] = {
        "use": arguments.text_or_none(use, "use"),
        "device": arguments.text_or_none(device, "device"),
        "with_base": arguments.switch(with_base, "with_base"),
        "precision": arguments.text_or_none(precision, "precision"),
        "min_precision": arguments.number_or_none(min_precision, "min_precision"),
        "trust_remote_code": arguments.switch(trust_remote_code, "trust_remote_code"),
    }
    use_base(arguments.path_or_none(base, "base"), place, use=options["use"], with_base=options["with_base"])
    return load_predictor(place, **options)


@_verb
def evaluate(
    data: str | os.PathLike[str] | BecomesSplits,
    *,
    model: str | os.PathLike[str],
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
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
    from liftune.inference.bases import use_base_of_scored
    from liftune.workflows.evaluate import evaluate_model

    for name in options:
        choose(name, options_of("evaluate"), "option of evaluate")
    use, metric = arguments.text_or_none(use, "use"), arguments.text_or_none(metric, "metric")
    if data is None:
        arguments.path(data, "data")
    spec, rows = _with_rows(data, {"model": arguments.path(model, "model"), **options})
    use_base_of_scored(arguments.path_or_none(base, "base"), spec.model.name, use)
    return evaluate_model(spec.data, spec.model, rows, use=use, metric=metric)


@_verb
def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
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

    return compare_runs(
        arguments.path(a, "a"),
        arguments.path(b, "b"),
        metric=arguments.text_or_none(metric, "metric"),
        margin=arguments.number_or_none(margin, "margin"),
        use=arguments.text_or_none(use, "use"),
    )


@_verb
def sweep(
    data: str | os.PathLike[str] | None = None,
    *,
    methods: Sequence[str] | str,
    models: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
    seeds: Sequence[int] | int | str | None = None,
    jobs: int = 1,
    out: str | os.PathLike[str] | None = None,
    picture: str | os.PathLike[str] | None = None,
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

    spec = SweepSpec.of(_spec("sweep", data, {"seeds": seeds, "out": out, **options}), methods, models)
    jobs, progress = arguments.count(jobs, "jobs"), Progress(quiet=arguments.switch(quiet, "quiet"))
    drawing = arguments.path_or_none(picture, "picture")
    if drawing is not None:
        check_picture(drawing)
    record = run_sweep(spec, jobs=jobs, progress=progress)
    if drawing is not None:
        draw(record, drawing)
    return record


@_verb
def inspect(
    data: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = "minilm",
    max_length: int | None = None,
    out: str | os.PathLike[str] | None = None,
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

    spec = _spec("inspect", arguments.path(data, "data"), {"max_length": max_length, **options})
    return inspect_data(
        spec.data,
        model=arguments.path_or_none(model, "model"),
        max_length=spec.model.max_length,
        out=arguments.path_or_none(out, "out"),
        drop=arguments.texts(drop, "drop"),
    )


@_verb
def doctor(
    data: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    remeasure: bool = False,
    **options: Any,
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

    remeasure = arguments.switch(remeasure, "remeasure")
    return run_doctor(_spec("doctor", data, {"model": model, **options}), remeasure=remeasure)


@_verb
def check(path: str | os.PathLike[str], *, seal: bool = False) -> CheckRecord:
    """Whether every file of a run, one of its models, an adapter, a bundle or a sweep is as it was written:
    `liftune check`.

    Args:
        seal: give seals to what an earlier liftune wrote without, if nothing is wrong that can be seen.

    Returns:
        the state of each file; `damaged` names those that are not whole.
    """
    from liftune.sweeps.check import check as run_check

    return run_check(arguments.path(path, "path"), seal=arguments.switch(seal, "seal"))


@_verb
def render(run: str | os.PathLike[str], *, format: str = "md") -> str:
    """The report of a run as Markdown, HTML or JSON: `liftune report`. In Python `liftune.report` is a package.

    Args:
        format: md, html or json.
    """
    from liftune.run_folder import RunFolder
    from liftune.workflows.report import FORMATS, format_of, read_run

    to_text = FORMATS[format_of(arguments.text(format, "format"), None) or "md"]
    return to_text(*read_run(RunFolder.open(arguments.path(run, "run"), where="run")))
