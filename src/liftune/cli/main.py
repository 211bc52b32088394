"""The command line: arguments -> spec -> one call -> print.

In: argv.  Out: results on stdout, progress and errors on stderr, an exit code.
Not here: any work, and any import that `--help` does not need.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from liftune import __version__
from liftune.cli.checking import check, say_unsealed
from liftune.cli.commands import COMMANDS, SETTINGS, Group
from liftune.cli.deployment import export, predict, push, serve
from liftune.cli.explaining import explain
from liftune.cli.labelling import label
from liftune.cli.options import (
    Base,
    Json,
    LabelNames,
    Margin,
    MaxHarm,
    Metric,
    Quiet,
    Task,
    UsageError,
    Use,
    takes_spec,
    usage_fault,
)
from liftune.cli.page import ui
from liftune.cli.printing import (
    print_json,
    print_record,
    print_sections,
    say,
)
from liftune.cli.ranks import help_first, letting_helpers_go
from liftune.cli.streams import prepare_streams, silence_broken_pipe, system_fault, unwritable
from liftune.cli.tuning import sweep, tune
from liftune.errors import EXTRAS, LiftuneError, choose, lacks_memory, need
from liftune.launch import launch
from liftune.listing import KINDS
from liftune.stopping import Signalled, ending_tidily, last_words

if TYPE_CHECKING:
    from liftune.spec import RunSpec

command = COMMANDS.command
app = typer.Typer(
    name="liftune",
    cls=Group,
    help="Fine-tune pretrained models for text classification with small adapters, and measure whether it helped.",
    epilog="Start with: liftune tune",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)

STOPPED = 130
#: Commands that import torch, and those that import little.
_WITH_TORCH, _LITTLE = ("tune", "evaluate", "export", "sweep", "doctor", "label"), ("list",)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"liftune {__version__}")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take the options that belong to no command, and refuse a limit under which libraries abort or hang."""
    name = context.invoked_subcommand
    if name not in _LITTLE and not {"-h", "--help"} & set(sys.argv):
        from liftune.hardware.memory import LOADING, LOADING_LITTLE, check_loading

        check_loading(LOADING if name in _WITH_TORCH else LOADING_LITTLE)


command()(tune)


@command()
@takes_spec("inspect")
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
            help="Also leave these rows out of --out; bad, repeated, conflicting and leaked rows always are.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Inspect a dataset: columns, labels, lengths, duplicates, leaks, bad rows, suspect labels, shift.

    --out writes a cleaned copy.
    """
    from liftune.option_values import names
    from liftune.workflows.inspect import inspect_data

    inspection = inspect_data(
        spec.data, model=spec.model.name, max_length=spec.model.max_length, out=out, drop=names(drop or ())
    )
    print_record(inspection, as_json=as_json)


@command()
@takes_spec("init")
def init(
    spec: RunSpec,
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="The file to write.")] = "liftune.toml",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Write a TOML file of all options and what they do, for `liftune tune --config`; those given here are set."""
    from liftune.spec_text import write_settings
    from liftune.workflows.init import check_settings

    check_settings(spec)
    say(f"liftune: options written: {write_settings(spec, to, overwrite=overwrite)}", error=True)


command()(predict)
command()(label)
command()(explain)
command()(export)
command()(push)


@command()
@takes_spec(
    "evaluate",
    required={"model": "A run folder, an adapter folder, a hub id, or a local model folder."},
)
def evaluate(spec: RunSpec, use: Use = None, base: Base = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Score a model on the test rows of a dataset, with confidence intervals; a single file is all test rows."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.cli.importing import import_at_once

    import_at_once("liftune.workflows.evaluate")
    from liftune.progress import Progress, listeners
    from liftune.workflows.evaluate import evaluate_model

    heard = listeners(Progress(quiet=quiet))
    record = evaluate_model(spec, use=use, base=base, listeners=heard)
    print_record(record, as_json=as_json)


@command()
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run to compare with; or a model by itself.")],
    b: Annotated[
        str, typer.Argument(metavar="RUN_B", help="The run that may be better; or such a model, if A is a run.")
    ],
    metric: Metric = None,
    margin: Margin = None,
    max_harm: MaxHarm = None,
    use: Use = None,
    base: Base = None,
    label_names: LabelNames = None,
    task: Task = None,
    as_json: Json = False,
) -> None:
    """Compare the tuned models of two runs on the test rows that they share.

    One of them may be a model by itself: an adapter, a bundle, one of others, a hub id. It is scored on the test rows
    of the run. With --max-harm the exit code is 1 where harm of B cannot be ruled out.
    """
    from liftune.models.foreign.said import said_of
    from liftune.workflows.compare import compare_runs

    say_unsealed(a, b)
    said = said_of(label_names, task)
    found = compare_runs(a, b, metric=metric, margin=margin, max_harm=max_harm, use=use, base=base, said=said)
    print_record(found, as_json=as_json)
    if found.harmless is False:
        if as_json:
            from liftune.reports.sections.harm import harm_sentence

            say(f"liftune: {harm_sentence(found)}", error=True)
        raise typer.Exit(1)


command()(sweep)


@command()
def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Run folder written by liftune tune; also a sweep's, a model by itself, or a hub id."
        ),
    ],
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Write to this file, in the format of its extension.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="html|md|json",
            help="Without --out, html writes report.html into RUN; md and json are printed.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a run's full report, or write it as one self-contained HTML file, Markdown or JSON.

    Of a model by itself, here or on the hub, it says what the model's card holds; of a sweep its ranking.
    """
    from liftune.reports.document import document
    from liftune.workflows.report import FORMATS, format_of, read_report, write_report_of

    chosen = format_of(form or ("json" if as_json and not out else None), out)
    say_unsealed(run)
    if out or chosen == "html":
        say(f"liftune: report written: {write_report_of(run, chosen or 'html', out)}", error=True)
    elif chosen:
        say(FORMATS[chosen](*read_report(run)), end="", as_json=chosen == "json")
    else:
        print_sections(each.section for each in document(*read_report(run)).sections)


@command()
@takes_spec(
    "doctor",
    help_texts={
        "data": "Dataset to plan for; none if not given.",
        "model": "minilm, a hub id, or a local folder.",
    },
)
def doctor(
    spec: RunSpec,
    remeasure: Annotated[bool, typer.Option("--remeasure", help="Ignore earlier measurements.")] = False,
    as_json: Json = False,
) -> None:
    """Show this machine's measured speed and the training plan, for a model and dataset where given."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.workflows.doctor import run_doctor

    checkup = run_doctor(spec, remeasure=remeasure)
    print_record(checkup, as_json=as_json)


command()(serve)
command()(ui)
command()(check)


@command("list")
def list_entries(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of: {', '.join(KINDS)}.")] = "methods",
    as_json: Json = False,
) -> None:
    """List what there is to choose from: tuning methods, metrics, data sources, ..."""
    table = KINDS[choose(kind, KINDS, "kind of thing to list")]()
    if as_json:
        print_json([dict(zip(table.headings, row, strict=True)) for row in table.rows])
    else:
        from liftune.reports.base import Section

        print_sections([Section(kind.capitalize(), (), (table,))])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input ends with message, where and hint on stderr.

    Args:
        argv: None takes the process's own.

    Returns:
        the exit code: 0, 1 for `compare --max-harm` where harm cannot be ruled out, 2 for bad input, 128 + signal where
        a signal stopped it: 130 for Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    prepare_streams()
    try:
        here = launch()
        if here and not here.leads:
            return help_first(here, arguments)
        group = typer.main.get_command(app)
        with (
            ending_tidily(echoes=here is not None),
            letting_helpers_go(here, arguments),
            group.make_context("liftune", arguments) as context,
        ):
            group.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except UsageError as error:
        return _refuse(usage_fault(error))
    except LiftuneError as error:
        return _refuse(error)
    except KeyboardInterrupt as error:
        early = last_words() if arguments[0] == "tune" else ()  # before the work, or after it
        with contextlib.suppress(OSError):  # of SIGHUP, the terminal is gone
            say("; ".join(("liftune: stopped", *(getattr(error, "__notes__", ()) or early))), error=True)
        return error.exit_code if isinstance(error, Signalled) else STOPPED
    except BrokenPipeError:
        silence_broken_pipe()
    except OSError as error:
        if lacks_memory(error):
            return _without_memory(error)
        return _refuse(unwritable(error) or system_fault(error))
    except Exception as error:  # memory is short in many classes of errors; any other one is raised again
        return _without_memory(error)
    return 0


def _without_memory(error: Exception) -> int:
    """The end of a command for which there was not enough memory; any other error is a defect, and is raised."""
    if not lacks_memory(error):
        raise error
    from liftune.hardware.memory import short_of_memory

    return _refuse(short_of_memory(error))


def _refuse(error: LiftuneError) -> int:
    say("\n".join((f"liftune: {error}", *(f"  {note}" for note in getattr(error, "__notes__", ())))), error=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
