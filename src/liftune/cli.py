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
from liftune.arguments import UsageError, asks_for, refusal
from liftune.errors import LiftuneError, SpecError, nearest
from liftune.spec import RunSpec

if TYPE_CHECKING:
    from liftune.answers import Answer
    from liftune.record import RunRecord
    from liftune.report.sections import Section

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
Metric = Annotated[str | None, typer.Option(metavar="TEXT", help="Decides; the first run's own if not given.")]

#: Sections that are printed at the end of a run; the others are in `liftune report`.
PRINTED = ("Ladder", "Without leaked rows", "Verdict", "Data audit")
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
    from liftune.report.progress import Progress
    from liftune.run import tune as run_tune

    _print_record(run_tune(spec, progress=Progress(quiet=quiet)), as_json=as_json)


@app.command()
@asks_for("data", "model.name", "model.max_length")
def inspect(spec: RunSpec, as_json: Json = False) -> None:
    """Say what is in the data before any model sees them: columns, labels, lengths in the model's tokens, duplicates,
    leaks, bad rows.
    """
    from liftune.data.inspect import inspect as inspect_data
    from liftune.report.inspection import inspection_sections

    found = inspect_data(spec.data, model=spec.model.name, max_length=spec.model.max_length)
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
        typer.Option("--out", metavar="FILE", help="Write the rows with answers: CSV, TSV, JSONL or Parquet."),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the text.")] = None,
    text_pair: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the second text.")
    ] = None,
    with_base: Annotated[bool, typer.Option("--with-base", help="Add the untuned model's answer.")] = False,
    device: Annotated[
        str | None, typer.Option(metavar="TEXT", help="cpu, cuda, cuda:1, mps; the best one here if not given.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer texts with a tuned model; with --json one object a line."""
    from liftune.answers import check_out, write
    from liftune.predict import Predictor, predict_file
    from liftune.report.progress import Progress

    if bool(texts) == bool(source):
        raise SpecError("give texts or --in FILE, one of them", mend=f'liftune predict {run} "some text"')
    if pair and len(pair) != len(texts or ()):
        raise SpecError(f"{len(texts or ())} texts but {len(pair)} --pair", mend="give one --pair a text, in order")
    if out:
        check_out(out)
    progress = Progress(quiet=quiet)
    predictor = Predictor.open(run, device=device, with_base=with_base)
    if with_base and predictor.base_head == "fresh":
        progress.say("the base's head is fresh: its answers are chance by construction")
    if source:
        answers = predict_file(predictor, source, out, text=text, text_pair=text_pair, progress=progress)
    else:
        answers = predictor.predict(list(zip(texts or (), pair, strict=True)) if pair else texts or [])
        if out:
            write(out, answers)
    if out:
        progress.say(f"{len(answers):,} rows answered: {out}")
    else:
        _print_answers(answers, as_json=as_json)


@app.command()
@asks_for(
    "data",
    "model",
    "evaluation.metric",
    required={"model": "A run folder, an adapter folder, a hub id, or a local model folder."},
)
def evaluate(spec: RunSpec, as_json: Json = False, quiet: Quiet = False) -> None:
    """Score a model on a data set's test rows, every metric with its interval; one file is all test rows."""
    from liftune.report.progress import Progress
    from liftune.run import evaluate_model

    progress = Progress(quiet=quiet)
    _print_record(
        evaluate_model(spec.data, spec.model, metric=spec.evaluation.metric, progress=progress), as_json=as_json
    )


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run to compare against.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that may be better.")],
    metric: Metric = None,
    as_json: Json = False,
) -> None:
    """Compare the tuned models of two runs on the test rows that they share."""
    from liftune.run import compare_runs

    _print_record(compare_runs(a, b, metric=metric), as_json=as_json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A folder that liftune tune wrote.")],
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write Markdown to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print all that a run found, or write it as Markdown."""
    from liftune.artifact import RunFolder, write_text
    from liftune.report.sections import sections
    from liftune.report.text import to_markdown

    record = RunFolder.open(run).record()
    if out:
        write_text(out, to_markdown(record))
        print(f"liftune: report written: {out}", file=sys.stderr)
    elif as_json:
        _print_json(record.to_json())
    else:
        _print_sections(sections(record))


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
    from liftune.checkup import checkup_sections
    from liftune.checkup import doctor as look

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
    device: Annotated[
        str | None, typer.Option(metavar="TEXT", help="cpu, cuda, cuda:1, mps; the best one here if not given.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="TEXT", help="float32 or bfloat16, of runs.")] = "float32",
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of texts, characters, queue_rows, batch_tokens, seconds, ..."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer over HTTP, with a page: many models in one process, those of one base in one batch."""
    from liftune.report.progress import Progress
    from liftune.serve.server import Asked
    from liftune.serve.server import serve as run_server

    asked = Asked(models, host, port, token, admin_token, insecure, device, precision, limit or ())
    run_server(asked, say=Progress(quiet=quiet).say)


@app.command("list")
def list_entries(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="methods, metrics, sources or accelerations.")
    ] = "methods",
    as_json: Json = False,
) -> None:
    """Print what there is to choose from."""
    from liftune.listing import KINDS

    if kind not in KINDS:
        raise SpecError(
            f"nothing to list under {kind!r}{nearest(kind, KINDS)}", mend=f"choose one of: {', '.join(KINDS)}"
        )
    table = KINDS[kind]()
    if as_json:
        _print_json([dict(zip(table.headings, row, strict=True)) for row in table.rows])
    else:
        from liftune.report.sections import Section

        _print_sections([Section(kind.capitalize(), (), (table,))])


def _print_json(found: Any) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=2))


def _print_answers(answers: Iterable[Answer], *, as_json: bool) -> None:
    """One object a line, or one line a text."""
    for answer in answers:
        print(json.dumps(answer.to_json(), ensure_ascii=False) if as_json else answer.line())


def _print_record(record: RunRecord, *, as_json: bool) -> None:
    """One object; or the ladder and what follows from it, the rest being in `liftune report`."""
    from liftune.report.sections import sections

    if as_json:
        _print_json(record.to_json())
    else:
        _print_sections(each for each in sections(record) if each.title in PRINTED)


def _print_sections(chosen: Iterable[Section]) -> None:
    from rich.console import Console

    from liftune.report.text import print_sections

    print_sections(chosen, Console(highlight=False))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input ends with what, where and mend on stderr.

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
