"""The command line: arguments -> spec -> one call -> print.

In: argv.  Out: results on stdout, progress and errors on stderr, an exit code.
Not here: any work, and any import that `--help` does not need.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liftune import __version__
from liftune.cli.listing import KINDS
from liftune.cli.options import UsageError, asks_for, refusal
from liftune.errors import EXTRAS, LiftuneError, SpecError, nearest, need
from liftune.spec import RunSpec, names

if TYPE_CHECKING:
    from liftune.inference.prediction import Prediction
    from liftune.records.run import RunRecord
    from liftune.report.base import Section

app = typer.Typer(
    name="liftune",
    help="Lightweight fine-tuning of foundation models on text classification, with evidence of what it lifted.",
    epilog="Start with: liftune tune",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A folder that liftune tune wrote.")]
Device = Annotated[
    str | None, typer.Option(metavar="TEXT", help="cpu, cuda, cuda:1, mps; the best one here if not given.")
]
Metric = Annotated[str | None, typer.Option(metavar="TEXT", help="Decides; the first run's own if not given.")]

#: Sections of the report that are printed at the end of a run; the others are in `liftune report`.
PRINTED = ("ladder", "clean", "verdict", "curve", "audit")
STOPPED = 130


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"liftune {__version__}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Hold what belongs to no command."""


@app.command()
@asks_for("data", "model", "method", "train", "evaluation", "out")
def tune(spec: RunSpec, as_json: Json = False, quiet: Quiet = False) -> None:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, and say what that lifted."""
    from liftune.progress import Progress, listeners
    from liftune.workflows.tune import tune as run_tune

    _print_record(run_tune(spec, listeners=listeners(Progress(quiet=quiet))), as_json=as_json)


@app.command()
@asks_for("data", "model.name", "model.max_length")
def inspect(
    spec: RunSpec,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", help="Write the cleaned data: a .jsonl file, or a folder of them."),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(
            "--drop",
            metavar="near,suspects",
            help="What --out leaves out beyond bad, repeated, conflicting and leaked rows.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is in the data before any model sees them: columns, labels, lengths in the model's tokens, exact and
    near duplicates, leaks, bad rows, likely mislabels, shift. With --out, write them without what misleads.
    """
    from liftune.report.sections.inspection import inspection_sections
    from liftune.workflows.inspect import inspect_data

    found = inspect_data(
        spec.data, model=spec.model.name, max_length=spec.model.max_length, out=out, drop=names(drop or ())
    )
    if as_json:
        _print_json(found.to_json())
    else:
        _print_sections(inspection_sections(found))


@app.command()
def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A folder that liftune tune wrote, or its adapter folder.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts to answer.")] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="Second text of each pair, in order; may be repeated."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--in", metavar="FILE", help="CSV, TSV, JSONL or Parquet; - reads a text a line."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write the rows with answers: CSV, TSV, JSONL or Parquet; - writes JSON lines.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an earlier --out was stopped.")] = False,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the text.")] = None,
    text_pair: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the second text.")
    ] = None,
    with_base: Annotated[bool, typer.Option("--with-base", help="Add the untuned model's answer.")] = False,
    min_precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Answer only rows sure enough for this share to be right; 0.95 is 95 in 100."
        ),
    ] = None,
    device: Device = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="float32, bfloat16 or fastest; float32 on a processor if not given."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer texts with a tuned model; with --json one object a line."""
    from liftune.inference.files import PIPE
    from liftune.progress import Progress
    from liftune.workflows.predict import PredictOptions, predict

    asked = PredictOptions(
        run=run,
        texts=texts or (),
        pairs=pair or (),
        source=source,
        out=out,
        resume=resume,
        text=text,
        text_pair=text_pair,
        with_base=with_base,
        min_precision=min_precision,
        device=device,
        precision=precision,
    )
    _print_answers(predict(asked, Progress(quiet=quiet)), as_json=as_json or out == PIPE)


@app.command()
def export(
    run: Run,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="A folder that is not there yet.")],
    format: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Format to write; liftune list formats prints them."),
    ] = "onnx",
    rows: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Labelled rows to check on; the run's validation rows if not given."),
    ] = None,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Keep an export whose predictions differ from the run's.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a tuned model for use elsewhere, checked against the run on its validation rows."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.export.run import export as write_export
    from liftune.progress import Progress

    parity = write_export(run, to, format=format, rows=rows, accept_gap=accept_gap, progress=Progress(quiet=quiet))
    if as_json:
        _print_json(parity.model_dump(mode="json"))
    else:
        print("\n".join((*parity.lines(), *(f"  accepted: {each}" for each in parity.excesses), f"written: {to}")))


@app.command()
@asks_for(
    "data",
    "model",
    "evaluation.metric",
    required={"model": "A run folder, an adapter folder, a hub id, or a local model folder."},
)
def evaluate(spec: RunSpec, as_json: Json = False, quiet: Quiet = False) -> None:
    """Score a model on a data set's test rows, every metric with its interval; one file is all test rows."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.progress import Progress, listeners
    from liftune.workflows.evaluate import evaluate_model

    record = evaluate_model(
        spec.data, spec.model, metric=spec.evaluation.metric, listeners=listeners(Progress(quiet=quiet))
    )
    _print_record(record, as_json=as_json)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run to compare against.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that may be better.")],
    metric: Metric = None,
    as_json: Json = False,
) -> None:
    """Compare the tuned models of two runs on the test rows that they share."""
    from liftune.workflows.compare import compare_runs

    _print_record(compare_runs(a, b, metric=metric), as_json=as_json)


@app.command()
@asks_for(
    "data",
    "model.label_map",
    "model.max_length",
    "model.device",
    "model.trust_remote_code",
    "method.options",
    "train",
    "evaluation.metric",
    "out",
    told={
        "set": "An option of one method, METHOD.KEY=VALUE, such as lora.rank=16; may be repeated.",
        "seeds": "Tune every model by every method once a seed: 0,1,2. [default: 0]",
        "lr": "Peak learning rate of every method; each method's own if not given.",
        "out": "Folder of the sweep, runs/DATA-sweep if not given; the same command goes on with what lies there.",
    },
)
def sweep(
    spec: RunSpec,
    methods: Annotated[str, typer.Option(metavar="NAME,...", help="Tuning methods to compare, or all.")],
    models: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Pretrained models; minilm if not given.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Cells tuned at once, each with its share of the processor.")
    ] = 1,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw scores against costs: .svg or .png.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tune models by many methods under many seeds on the same rows, and rank them; resumable."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.progress import Progress
    from liftune.sweeps.grid import SweepSpec
    from liftune.sweeps.plot import check_picture, draw
    from liftune.sweeps.run import sweep as run_sweep
    from liftune.sweeps.sections import sweep_sections

    if picture:
        check_picture(picture)
    record = run_sweep(SweepSpec.of(spec, methods, models), jobs=jobs, progress=Progress(quiet=quiet))
    if picture:
        draw(record, picture)
    if as_json:
        _print_json(record.to_json())
    else:
        _print_sections(sweep_sections(record))


@app.command()
def report(
    run: Run,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write to this file, in the format of its ending.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="html|md|json",
            help="html writes report.html into RUN if --out is not given; md and json are printed then.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print all that a run found, or write it: one HTML file that needs nothing else, Markdown or JSON."""
    from liftune.report.document import sections
    from liftune.run_folder import RunFolder
    from liftune.workflows.report import FORMATS, format_of, look_into, write_report

    chosen = format_of(form or ("json" if as_json and not out else None), out)
    folder = RunFolder.open(run)
    if out or chosen == "html":
        print(f"liftune: report written: {write_report(folder, chosen or 'html', out)}", file=sys.stderr)
    elif chosen:
        print(FORMATS[chosen](*look_into(folder)), end="")
    else:
        _print_sections(sections(*look_into(folder)))


@app.command()
@asks_for(
    "data",
    "model",
    "train.batch_size",
    "train.accelerations",
    told={
        "data": "Rows to look at, with the model; none if not given.",
        "model": "minilm, a hub id, or a local folder.",
    },
)
def doctor(
    spec: RunSpec,
    remeasure: Annotated[bool, typer.Option("--remeasure", help="Measure again what was measured before.")] = False,
    as_json: Json = False,
) -> None:
    """Say what was measured on this machine and what the plan would be; for a model and data, where they are given."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.workflows.doctor import checkup_sections
    from liftune.workflows.doctor import run_doctor as look

    found = look(spec, remeasure=remeasure)
    if as_json:
        _print_json(found.to_json())
    else:
        _print_sections(checkup_sections(found))


@app.command()
def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="RUN|BUNDLE ...", help="Run folders or bundles, each as PATH or NAME=PATH."),
    ],
    port: Annotated[int, typer.Option(metavar="N", help="0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(metavar="TEXT", help="Address to listen at; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None, typer.Option(metavar="TEXT", envvar="LIFTUNE_TOKEN", help="Asked of every request.")
    ] = None,
    admin_token: Annotated[
        str | None,
        typer.Option(metavar="TEXT", envvar="LIFTUNE_ADMIN_TOKEN", help="Asked of who loads and unloads models."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without a token.")] = False,
    device: Device = None,
    precision: Annotated[str, typer.Option(metavar="TEXT", help="float32 or bfloat16, of runs.")] = "float32",
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of texts, characters, queue_rows, batch_tokens, seconds, ..."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer over HTTP, with a page: many models in one process, those of one base in one batch."""
    from liftune.progress import Progress
    from liftune.serve.server import ServeOptions
    from liftune.serve.server import serve as run_server

    asked = ServeOptions(models, host, port, token, admin_token, insecure, device, precision, limit or ())
    run_server(asked, log=Progress(quiet=quiet).log)


@app.command("list")
def list_entries(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.")] = "methods",
    as_json: Json = False,
) -> None:
    """Print what there is to choose from."""
    if kind not in KINDS:
        raise SpecError(
            f"nothing to list under {kind!r}{nearest(kind, KINDS)}", hint=f"choose one of: {', '.join(KINDS)}"
        )
    table = KINDS[kind]()
    if as_json:
        _print_json([dict(zip(table.headings, row, strict=True)) for row in table.rows])
    else:
        from liftune.report.base import Section

        _print_sections([Section(kind.capitalize(), (), (table,))])


def _print_json(found: Any) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=2))


def _print_answers(answers: Iterable[Prediction], *, as_json: bool) -> None:
    """One object a line, or one line a text."""
    for answer in answers:
        print(json.dumps(answer.to_json(), ensure_ascii=False) if as_json else answer.line())


def _print_record(record: RunRecord, *, as_json: bool) -> None:
    """One object; or the ladder and what follows from it, the rest being in `liftune report`."""
    from liftune.report.document import named_sections

    if as_json:
        _print_json(record.to_json())
    else:
        _print_sections(each.section for each in named_sections(record) if each.name in PRINTED)


def _print_sections(chosen: Iterable[Section]) -> None:
    from rich.console import Console

    from liftune.report.render.text import print_sections

    print_sections(chosen, Console(highlight=False))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input ends with message, where and hint on stderr.

    Args:
        argv: None takes the process's own.

    Returns:
        the exit code: 0, 2 for bad input, 130 where the user stopped it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    try:
        command = typer.main.get_command(app)
        with command.make_context("liftune", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except UsageError as error:
        return _refuse(refusal(error))
    except LiftuneError as error:
        return _refuse(error)
    except KeyboardInterrupt as error:
        print("; ".join(("liftune: stopped", *getattr(error, "__notes__", ()))), file=sys.stderr)
        return STOPPED
    except BrokenPipeError:
        # Whoever read the output has had enough; the interpreter's own last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _refuse(error: LiftuneError) -> int:
    print(
        "\n".join((f"liftune: {error}", *(f"  {note}" for note in getattr(error, "__notes__", ())))),
        file=sys.stderr,
    )
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
