"""The commands that train: tune and sweep.

In: a spec and switches.  Out: a record, printed.
Not here: registering the commands (main.py), any work, and any import that `--help` does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from liftune.cli.options import Json, Quiet, takes_spec
from liftune.cli.printing import print_record
from liftune.errors import EXTRAS, Collected, LiftuneError, need

if TYPE_CHECKING:
    from liftune.events import Listener
    from liftune.spec import RunSpec


@takes_spec("tune", wrong_with="dry_run")
def tune(
    spec: RunSpec,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with this unfinished run, as it was asked."),
    ] = None,
    checkpoint_minutes: Annotated[
        str,
        typer.Option("--checkpoint-minutes", metavar="X", help="Minutes between two checkpoints within an epoch."),
    ] = "5",
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep RUN/checkpoint when the run has ended.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the run in --out, once options, rows and model have been checked."),
    ] = False,
    devices: Annotated[
        str | None,
        typer.Option(
            "--devices",
            metavar="auto|N",
            help="Start so many processes that share the work, each on a GPU of its own; auto: on all GPUs.",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", metavar="N", min=1, help="Seeds, or folds, at once, each in a process of its own."),
    ] = None,
    shard: Annotated[
        bool,
        typer.Option(
            "--shard", help="Give each process a part of the frozen weights, of a model that no device holds."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check everything, time a few steps, say how long it would take; write nothing."
        ),
    ] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            metavar="NAME,...",
            help="Also tell experiment trackers: mlflow, tensorboard, trackio; repeatable.",
        ),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option("--events", metavar="FILE", help="Also append what happens, as lines of JSON, to this file."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    wrong: tuple[LiftuneError, ...] = (),
) -> None:
    """Score a model before and after tuning on the same test rows, and report whether tuning helped.

    The same command goes on with a run that was interrupted.
    """
    from liftune.cli.importing import ImportsAtOnce
    from liftune.event_lines import listeners_of
    from liftune.launch import ONE_PROCESS, Division
    from liftune.progress import Progress, listeners
    from liftune.tracking import tracking
    from liftune.workflows.tune import Keeping, again, refuse_both
    from liftune.workflows.tune import tune as run_tune

    at_once, progress = Collected(every=dry_run, faults=list(wrong)), Progress(quiet=quiet)
    asked = spec
    if resume is not None:
        at_once.trying(lambda: refuse_both(overwrite), None)
        spec = at_once.trying(lambda: again(resume, asked), asked)
    keeping = at_once.trying(lambda: Keeping.of(checkpoint_minutes, keep_checkpoints), Keeping())
    division = at_once.trying(lambda: Division.of(devices, shard=shard).with_jobs(jobs), ONE_PROCESS)
    untracked: tuple[Listener, ...] = ()
    tracked = at_once.trying(lambda: tracking(track or (), progress.log), untracked)
    if dry_run:
        from liftune.workflows.dry_run import dry_run as try_run

        said = listeners(progress)
        found = try_run(spec, wrong=at_once.faults, overwrite=overwrite, listeners=said, division=division)
        print_record(found, as_json=as_json)
        raise typer.Exit(0 if found.would_run else LiftuneError.exit_code)
    heard = (*listeners(progress), *tracked, *listeners_of(events), ImportsAtOnce())
    done = run_tune(spec, keeping=keeping, overwrite=overwrite, listeners=heard, division=division)
    print_record(done, as_json=as_json)


@takes_spec(
    "sweep",
    help_texts={
        "set": "Option of one method, METHOD.KEY=VALUE, such as lora.rank=16; may be repeated.",
        "seeds": "Tune once per model, method and seed: 0,1,2. [default: 0]",
        "lr": "Peak learning rate of all methods; each method's own if not given.",
        "out": "Folder of the sweep, runs/DATA-sweep if not given; the same command resumes it.",
    },
)
def sweep(
    spec: RunSpec,
    methods: Annotated[str, typer.Option(metavar="NAME,...", help="Tuning methods to compare, or all.")],
    models: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Pretrained models; minilm if not given.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Models tuned in parallel, each on its share of the CPU; 1 if not given, on a cluster as many as it "
            "holds.",
        ),
    ] = None,
    search: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Try N sets of options, proposed by Optuna from what validation said of those before; the winner "
            "alone looks at test.",
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="TOML of what --search may try: lr = {low = 1e-5, high = 1e-2, log = true}, rank = [4, 8] below "
            "[lora]; of each method its own if not given.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Tune on a Ray cluster: auto (started here, or the one of RAY_ADDRESS), ray://HOST or HOST:PORT. "
            "Trusted networks only: Ray runs any code that it is sent.",
        ),
    ] = None,
    cpus: Annotated[float | None, typer.Option(metavar="X", help="CPUs of the cluster for each model; 1.")] = None,
    gpus: Annotated[
        float | None, typer.Option(metavar="X", help="GPUs of the cluster for each model, or a part of one; 0.")
    ] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="Plot scores against costs: .svg or .png.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare tuning methods and models over seeds on the same rows; resumable."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.progress import Progress
    from liftune.sweeps.grid import SweepSpec
    from liftune.sweeps.on_cluster import ClusterAsk
    from liftune.sweeps.plot import check_picture, draw
    from liftune.sweeps.run import sweep as run_sweep

    if picture:
        check_picture(picture)
    where = ClusterAsk.of(cluster, cpus, gpus)
    asked = SweepSpec.of(spec, methods, models, search=search, space=space)
    record = run_sweep(asked, jobs=jobs, cluster=where, progress=Progress(quiet=quiet))
    if picture:
        draw(record, picture)
    print_record(record, as_json=as_json)
