"""The command line: arguments -> spec -> one call -> print.

In: argv.  Out: results on stdout, progress and errors on stderr, an exit code.
Not here: any work, and any import that `--help` does not need.
"""

from __future__ import annotations

import inspect as signatures
import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liftune.errors import LiftuneError, SpecError, nearest
from liftune.spec import OPTIONS, RunSpec

if TYPE_CHECKING:
    from liftune.report.sections import Section

app = typer.Typer(
    name="liftune",
    help="Lightweight fine-tuning of foundation models on text classification, with evidence of what it lifted.",
    epilog="Start with: liftune tune",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A folder that `liftune tune` wrote.")]

#: Headings of the help text, by room of the spec.
_PANELS = {"data": "Data", "model": "Model", "method": "Method", "train": "Training", "evaluation": "Evaluation"}
_DATA = "A file, a folder, a hub id ID[:CONFIG][@REVISION], or sample:NAME."


def _parameter(name: str) -> signatures.Parameter:
    """A spec's field as a typer option: name, type, help and default are the field's own."""
    room, *rest = OPTIONS[name]
    field = RunSpec.model_fields[room]
    if rest:
        assert isinstance(field.annotation, type)
        field = field.annotation.model_fields[rest[0]]
    members = (field.annotation, *getattr(field.annotation, "__args__", ()))
    plain: Any = next((kind for kind in (bool, int, float) if any(_bare(each) is kind for each in members)), str)
    text = (field.description or "").replace("`", "").replace("[", "\\[")
    if isinstance(field.default, str | int | float) and plain is not bool:
        text += f" \\[default: {field.default}]"
    if name == "data":
        declared: Any = typer.Argument(metavar="DATA", help=text, show_default=False)
    else:
        declared = typer.Option(
            f"--{name.replace('_', '-')}", help=text, show_default=False, rich_help_panel=_PANELS.get(room, "Output")
        )
    # None stands for "not given", so that the spec's own default is the only one.
    kind: Any = bool if plain is bool else (list[str] if name == "set" else plain) | None
    default = False if plain is bool else None
    annotation: Any = Annotated[kind, declared]
    return signatures.Parameter(name, signatures.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _bare(kind: Any) -> Any:
    """A type without what annotates it."""
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def asks_for(*rooms: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command every option of these rooms of a RunSpec, collected into its first argument."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        chosen = [name for name, home in OPTIONS.items() if home[0] in rooms]
        own = list(signatures.signature(command, eval_str=True).parameters.values())[1:]

        def wrapped(**given: Any) -> None:
            asked = {name: given.pop(name) for name in chosen}
            spec = RunSpec.of(**{name: value for name, value in asked.items() if value not in (None, False, [])})
            command(spec, **given)

        parameters = [parameter.replace(kind=signatures.Parameter.KEYWORD_ONLY) for parameter in own]
        wrapped.__signature__ = signatures.Signature([*map(_parameter, chosen), *parameters])  # type: ignore[attr-defined]
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate


@app.command()
@asks_for("data", "model", "method", "train", "evaluation", "out")
def tune(spec: RunSpec, as_json: Json = False, quiet: Quiet = False) -> None:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, and say what that lifted."""
    from liftune.report.progress import Progress
    from liftune.run import tune as run_tune

    record = run_tune(spec, progress=Progress(quiet=quiet))
    if as_json:
        _print_json(record.to_json())
    else:
        _print_record(record)


@app.command()
@asks_for("data")
def inspect(
    spec: RunSpec,
    model: Annotated[str, typer.Option(help="Whose tokens to count: minilm, a hub id, a local folder.")] = "minilm",
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens kept of each row.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is in the data before any model sees them: columns, labels, lengths, duplicates, leaks, bad rows."""
    from liftune.data.inspect import inspect as inspect_data
    from liftune.report.inspection import inspection_sections

    found = inspect_data(spec.data, model=model, max_length=max_length)
    if as_json:
        _print_json(found.to_json())
    else:
        _print_sections(inspection_sections(found))


@app.command()
def predict(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, its adapter folder, or a model.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts to answer.")] = None,
    pair: Annotated[list[str] | None, typer.Option("--pair", help="Second text of each pair; may be repeated.")] = None,
    source: Annotated[
        str | None, typer.Option("--in", help="A CSV, TSV, JSONL or Parquet file; - reads lines.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", help="The same rows with answers, by the file's ending.")] = None,
    text: Annotated[str | None, typer.Option(help="Column of --in that holds the text.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="Column of --in that holds the second text.")] = None,
    with_base: Annotated[bool, typer.Option("--with-base", help="Add the untuned model's answer.")] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Answer texts with a tuned model."""
    from liftune.predict import Predictor, predict_file, write
    from liftune.report.progress import Progress

    if bool(texts) == bool(source):
        raise SpecError("give texts or --in FILE, one of them", mend="liftune predict RUN 'some text'")
    if pair and len(pair) != len(texts or ()):
        raise SpecError(f"{len(texts or ())} texts but {len(pair)} --pair", mend="give one --pair a text, in order")
    predictor = Predictor.open(run, device=device, with_base=with_base)
    progress = Progress(quiet=quiet)
    if source:
        answers = predict_file(predictor, source, out, text=text, text_pair=text_pair, progress=progress)
        if out:
            progress.say(f"{len(answers):,} rows answered: {out}")
            return
    else:
        answers = predictor.predict(list(zip(texts or (), pair, strict=True)) if pair else texts or [])
        if out:
            write(out, answers)
            return
    _print_answers(answers, as_json=as_json)


@app.command()
@asks_for("data")
def evaluate(
    spec: RunSpec,
    model: Annotated[str, typer.Option(help="A run folder, an adapter folder, a hub id, or a local model folder.")],
    label_map: Annotated[str | None, typer.Option(help="The head's names for your labels: neg=NEGATIVE.")] = None,
    metric: Annotated[str | None, typer.Option(help="Only this metric.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens kept of each row.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps.")] = None,
    trust_remote_code: Annotated[bool, typer.Option(help="Run the code that comes with the model.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a model on a data set's test rows, every metric with its interval."""
    from liftune.report.progress import Progress
    from liftune.run import evaluate_model
    from liftune.spec import ModelSpec

    asked: dict[str, Any] = {"name": model, "label_map": label_map or {}, "max_length": max_length, "device": device}
    wanted = ModelSpec.checked({**asked, "trust_remote_code": trust_remote_code})
    record = evaluate_model(spec.data, wanted, metric=metric, progress=Progress(quiet=quiet))
    _print_json(record.to_json()) if as_json else _print_record(record)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="The run to compare against.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The run that may be better.")],
    metric: Annotated[str | None, typer.Option(help="Decides; the first run's own if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Compare the tuned models of two runs on the test rows that they share."""
    from liftune.run import compare_runs

    record = compare_runs(a, b, metric=metric)
    _print_json(record.to_json()) if as_json else _print_record(record)


@app.command()
def report(
    run: RunArgument,
    out: Annotated[str | None, typer.Option("--out", help="Write Markdown to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Print what a run found, or write it as Markdown."""
    from liftune.artifact import RunFolder, write_text
    from liftune.report.text import to_markdown

    record = RunFolder.open(run).record()
    if out:
        write_text(out, to_markdown(record))
    elif as_json:
        _print_json(record.to_json())
    else:
        from liftune.report.sections import sections

        _print_sections(sections(record))


@app.command("list")
def list_entries(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="methods, metrics or sources.")] = "methods",
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


def _print_answers(answers: Iterable[Any], *, as_json: bool) -> None:
    """One object a line, or one line a text."""
    for answer in answers:
        if as_json:
            print(json.dumps(answer.to_json(), ensure_ascii=False))
        else:
            print(answer.line())


def _print_record(record: Any) -> None:
    """The ladder and what follows from it; the rest is in `liftune report`."""
    from liftune.report.sections import sections

    _print_sections(each for each in sections(record) if each.title in ("Ladder", "Verdict", "Data audit"))


def _print_sections(chosen: Iterable[Section]) -> None:
    from rich.console import Console

    from liftune.report.text import print_sections

    print_sections(chosen, Console(highlight=False))


def main() -> None:
    """Run the command line; bad input ends with what, where and mend on stderr and exit code 2."""
    try:
        app()
    except LiftuneError as error:
        print(f"liftune: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("liftune: stopped", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
