"""`tune` and `sweep`: what trains.

In: options.  Out: records.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from liftune import arguments
from liftune.api.calls import ROLES_BESIDE, Data, progress, verb, with_rows
from liftune.command_options import sound
from liftune.errors import EXTRAS, Collected, SpecError, need, shown
from liftune.records.run import TuneRecord

if TYPE_CHECKING:
    from liftune.events import Listener
    from liftune.records.sweep import SweepRecord


@verb
def tune(
    data: Data | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    method: str | None = None,
    set: Mapping[str, Any] | Sequence[str] | None = None,
    start: str | os.PathLike[str] | None = None,
    replay: Data | None = None,
    task: str | None = None,
    text: str | Sequence[str] | None = None,
    text_pair: str | None = None,
    label: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    label_threshold: float | None = None,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    decimal: str | None = None,
    merge_labels: Sequence[str] | str | None = None,
    train_rows: int | None = None,
    test_rows: int | None = None,
    validation: Data | None = None,
    test: Data | None = None,
    split: Mapping[str, str] | str | None = None,
    split_column: str | None = None,
    skip_bad_rows: bool | None = None,
    fill_down: str | Sequence[str] | None = None,
    encoding: str | None = None,
    no_header: bool | None = None,
    columns: Sequence[str] | str | None = None,
    skip_lines: int | None = None,
    group: str | None = None,
    slices: str | Sequence[str] | None = None,
    near_duplicates: float | str | None = None,
    split_seed: int | None = None,
    label_map: Mapping[str, str] | str | None = None,
    max_length: int | None = None,
    long: Literal["cut", "head-tail", "windows", "auto"] | None = None,
    window_overlap: int | None = None,
    window_pooling: Literal["mean", "max"] | None = None,
    device: str | None = None,
    base_precision: Literal["4bit"] | None = None,
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
    few: str | bool | None = None,
    seeds: Sequence[int] | int | str | None = None,
    accelerations: Sequence[str] | str | None = None,
    metric: str | None = None,
    with_full: bool | None = None,
    margin: float | None = None,
    folds: int | Literal["auto", "none"] | None = None,
    curve: bool | None = None,
    answers: Mapping[str, Any] | Sequence[str] | str | None = None,
    cost: Mapping[str, float] | Sequence[str] | str | None = None,
    zero_shot: str | os.PathLike[str] | None = None,
    describe: str | os.PathLike[str] | Mapping[str, str] | Any | None = None,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = 5.0,
    keep_checkpoints: bool = False,
    devices: int | str | None = None,
    shard: bool = False,
    jobs: int | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    track: Sequence[str] | str = (),
    quiet: bool | None = None,
    listeners: Sequence[Listener] = (),
) -> TuneRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save: `liftune tune`.

    Args:
        data: a file, a folder, a hub id, or `sample:NAME`. Or rows in memory: a data frame of pandas or polars, an
            Arrow table, a Dataset or DatasetDict, a list of dicts, a dict of columns, `(texts, labels)`, or a dict
            that names such tables train and test; what `liftune.data.load_data` returns is taken as it is cut.
            None takes sample:emotions.
        model: minilm, a hub id, or a local folder.
        method: one of `liftune list methods`.
        set: options of the method, {"rank": 16} or ["rank=16"].
        answers: labels made elsewhere, {"gpt": "answers.csv"}, or a table in the place of a path.
        cost: of one row, {"gpt": 0.002}.
        describe: what each label means, {"joy": "the writer is happy"}, for the model of zero_shot; or a file or table.
        start: a run, or its adapter folder: go on from its tuned adapter, with the labels that the data add.
        config: a TOML or JSON file of options, as `liftune init` writes it, or a run's spec.json; what is given here
            overrides it.
        resume: an unfinished run's folder, to go on with; with rows in memory, give the same ones as data.
        checkpoint_minutes: between two checkpoints within an epoch.
        keep_checkpoints: keep the folder checkpoint when the run has ended.
        devices: so many processes share the work, each on a GPU of its own where there are any; "auto": on all GPUs.
        shard: give each of them a part of the frozen weights, of a model that no device holds.
        jobs: seeds, or folds, at once, each in a process of its own; above 1, call it under
            `if __name__ == "__main__":`.
        overwrite: replace the run that `out` holds, once options, rows and model have been checked.
        dry_run: check everything, time a few steps, write nothing.
        track: experiment trackers: mlflow, tensorboard, trackio; one that fails never fails the run.
        quiet: show no progress on stderr; None shows it in a terminal and in a notebook.
        listeners: are sent what happens, as it happens: subclasses of `liftune.Listener`.

    The others are those of `liftune tune --help`; None takes the default. The same call goes on with a run that was
    interrupted.

    Returns:
        the record of the run; `record.run` is its folder, for `liftune.load`. Of a dry run instead a `DryRun`, with
        `would_run`, `faults`, `data`, `plan`, `memory`, `disk`, `stages` and `seconds`.

    Raises:
        LiftuneError: anything that you can fix, with message, where and hint; a dry run has faults in its result.
    """
    also = ("resume", "checkpoint_minutes", "keep_checkpoints", "devices", "shard", "jobs", "overwrite", "dry_run")
    switches = ("data", "track", "quiet", "listeners", *also, "also")
    options = {name: value for name, value in locals().items() if name not in (*switches, "switches")}
    from liftune.launch import ONE_PROCESS, Division
    from liftune.progress import listeners as on_stderr
    from liftune.tracking import tracking
    from liftune.workflows.tune import Keeping, again, refuse_both
    from liftune.workflows.tune import tune as run_tune

    at_once = Collected(every=arguments.switch(dry_run, "dry_run"))
    if at_once.every:
        checked, wrong = sound(
            {name: value for name, value in options.items() if name not in ("config", *ROLES_BESIDE)}
        )
        options = {**checked, **{name: options[name] for name in ("config", *ROLES_BESIDE)}}
        at_once.faults += wrong
        if options["config"] is not None and data is not None:  # else the file names the data
            given = dict(options)
            whole = at_once.trying(lambda: bool(with_rows("tune", data, given)), False)
            options["config"] = options["config"] if whole else None
    spec, rows = with_rows("tune", data, options)
    replaced, asked = arguments.switch(overwrite, "overwrite"), spec
    if resume is not None:
        run = arguments.path(resume, "resume")
        at_once.trying(lambda: refuse_both(replaced), None)
        spec = at_once.trying(lambda: again(run, asked), asked)
    to_the_end = arguments.switch(keep_checkpoints, "keep_checkpoints")
    keeping = at_once.trying(lambda: Keeping.of(checkpoint_minutes, to_the_end), Keeping())
    divided = arguments.switch(shard, "shard")
    division = at_once.trying(lambda: Division.of(devices, shard=divided).with_jobs(jobs), ONE_PROCESS)
    shown = progress(quiet)
    untracked: tuple[Listener, ...] = ()
    tracked = at_once.trying(lambda: tracking(arguments.texts(track, "track"), shown.log), untracked)
    heard = (*on_stderr(shown), *(untracked if dry_run else tracked), *_listeners(listeners))
    if dry_run:
        from liftune.workflows.dry_run import dry_run as try_run

        return cast(
            TuneRecord,
            try_run(spec, rows, wrong=at_once.faults, overwrite=replaced, listeners=heard, division=division),
        )  # a union would burden every other call
    return run_tune(spec, rows, keeping=keeping, overwrite=replaced, listeners=heard, division=division)


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


@verb
def sweep(
    data: Data | None = None,
    *,
    methods: Sequence[str] | str,
    models: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] | None = None,
    seeds: Sequence[int] | int | str | None = None,
    jobs: int | None = None,
    search: int | None = None,
    space: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    cluster: str | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    out: str | os.PathLike[str] | None = None,
    picture: str | os.PathLike[str] | None = None,
    quiet: bool | None = None,
    **options: Any,
) -> SweepRecord:
    """Every model tuned by every method under every seed on the same rows, and ranked: `liftune sweep`.

    Args:
        data: as for `tune`; of rows in memory, a rerun needs the same ones to go on.
        methods: names, or "all".
        models: None takes minilm.
        jobs: cells tuned at once; None is one, on a cluster as many as it holds. Above 1, call it under
            `if __name__ == "__main__":`, as each is a fresh process.
        search: so many sets of options, proposed by Optuna; test is looked at by the winner alone.
        space: of the search, a TOML file's path or {"lr": {"low": 1e-5, "high": 1e-2, "log": True}, "lora": {"rank":
            [4, 8]}}; None takes each method's own.
        cluster: "auto", "ray://HOST" or "HOST:PORT" tunes cells on a Ray cluster; cpus, gpus: of it for each cell, 1
            and 0 where None.
        picture: a .svg or .png to draw scores against costs in.
        options: data, model and train options of `tune`, metric, and set={"METHOD.KEY": VALUE}.
    """
    need(*EXTRAS["tune"])
    from liftune.sweeps.grid import SweepSpec
    from liftune.sweeps.on_cluster import ClusterAsk
    from liftune.sweeps.plot import check_picture, draw
    from liftune.sweeps.run import sweep as run_sweep

    asked, rows = with_rows("sweep", data, {"seeds": seeds, "out": out, **options})
    trials = None if search is None else arguments.count(search, "search")
    spec = SweepSpec.of(asked, methods, models, search=trials, space=space)
    parts = (arguments.number_or_none(each, name) for name, each in (("cpus", cpus), ("gpus", gpus)))
    where, shown = ClusterAsk.of(arguments.text_or_none(cluster, "cluster"), *parts), progress(quiet)
    jobs = None if jobs is None else arguments.count(jobs, "jobs")
    drawing = arguments.path_or_none(picture, "picture")
    if drawing is not None:
        check_picture(drawing)
    record = run_sweep(spec, rows, jobs=jobs, cluster=where, progress=shown)
    if drawing is not None:
        draw(record, drawing)
    return record
