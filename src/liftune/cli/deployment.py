"""The commands that use a tuned model: predict, export, push, serve.

In: what typer read off the command line.  Out: predictions, an export or a running server.
Not here: registering commands (main.py), any work.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from liftune.cli.explaining import print_explanations
from liftune.cli.options import Base, Device, Json, LabelNames, Precision, Quiet, Run, Task, Trust, Use
from liftune.cli.printing import print_json, print_parity, print_predictions, say
from liftune.errors import EXTRAS, need

if TYPE_CHECKING:
    from liftune.workflows.predict import PredictOptions

_TOKEN_HELP = "Token that every request must send. ps shows it to others on this machine: better set the variable."
_ADMIN_HELP = "Token for loading and unloading models; as --token, better set as the variable."


def predict(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A folder that liftune tune wrote, or an adapter folder; also a PEFT adapter or model of others.",
        ),
    ],
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts to classify.")] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option("--pair", metavar="TEXT", help="Second text of each pair, in order; may be repeated."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="FILE|DIR",
            help="CSV, TSV, JSONL, Parquet, ..., or a folder of them, here or at an address; - reads a text a line.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE|DIR",
            help="Write the rows with predictions: CSV, TSV, JSONL or Parquet, of a folder into a folder, under the "
            "same names; - writes JSON lines.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted --out; of a folder that is done without it.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Of a folder: processes at once, each with the model; if not given 1, on a cluster all that it holds.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of a folder: work on a Ray cluster: ray://HOST or HOST:PORT; auto starts Ray here, or joins that of "
            "RAY_ADDRESS.",
        ),
    ] = None,
    csv_safe: Annotated[
        bool,
        typer.Option("--csv-safe", help="Put ' before cells of a CSV or TSV file that a spreadsheet would compute."),
    ] = False,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the text.")] = None,
    text_pair: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Column of --in that holds the second text.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Encoding of --in: utf-8, cp1252, ...; found if not given.")
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line of --in is a row, and names no columns.")
    ] = False,
    columns: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Names of the columns of --in, which has no header line.")
    ] = None,
    skip_lines: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Lines at the start of --in to leave out: a title.")
    ] = None,
    use: Use = None,
    base: Base = None,
    label_names: LabelNames = None,
    task: Task = None,
    with_base: Annotated[bool, typer.Option("--with-base", help="Add the untuned model's prediction.")] = False,
    min_precision: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Predict only where confident enough for this share to be right: 0.95 for 95%.",
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add how leaving out each word changes the answer; --out is then JSON lines."),
    ] = False,
    device: Device = None,
    precision: Precision = None,
    trust_remote_code: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Classify texts with a tuned model; --json prints one object per line."""
    from liftune.inference.bases import use_base
    from liftune.inference.explaining import Asked
    from liftune.inference.files import PIPE
    from liftune.models.foreign.said import said_of
    from liftune.option_values import names
    from liftune.progress import Progress
    from liftune.workflows.predict import PredictOptions, predict

    options = PredictOptions(
        run=run,
        texts=texts or (),
        pairs=pair or (),
        source=source,
        out=out,
        resume=resume,
        csv_safe=csv_safe,
        text=text,
        text_pair=text_pair,
        encoding=encoding,
        no_header=no_header,
        columns=names(columns or ()),
        skip_lines=skip_lines,
        use=use,
        with_base=with_base,
        min_precision=min_precision,
        device=device,
        precision=precision,
        trust_remote_code=trust_remote_code,
        said=said_of(label_names, task),
        jobs=jobs,
        cluster=cluster,
        explain=Asked() if explain else None,
    )
    options.check()
    options = replace(options, said=use_base(base, run, use=use, with_base=with_base, said=options.said))
    if options.takes_folder:
        _predict_folder(options, as_json=as_json, quiet=quiet)
        return
    predictions = predict(options, Progress(quiet=quiet))
    if explain and not as_json and out != PIPE:
        print_explanations(predictions)
    else:
        print_predictions(predictions, as_json=as_json or out == PIPE)


def _predict_folder(options: PredictOptions, *, as_json: bool, quiet: bool) -> None:
    from liftune.bulk.run import predict_folder, refuse_failed
    from liftune.progress import Progress

    record = predict_folder(options, Progress(quiet=quiet))
    if as_json:
        print_json(record.to_json())
    refuse_failed(record)


def export(
    run: Run,
    to: Annotated[str, typer.Option("--to", metavar="DIR", help="A new folder.")],
    format: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Format to write; liftune list formats prints them."),
    ] = "onnx",
    use: Use = None,
    base: Base = None,
    label_names: LabelNames = None,
    task: Task = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Labelled rows to check on; the run's validation rows if not given."),
    ] = None,
    accept_gap: Annotated[
        bool, typer.Option("--accept-gap", help="Keep an export whose predictions differ from the run's.")
    ] = False,
    trust_remote_code: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Export a tuned model, and check its predictions against the run's."""
    need(*EXTRAS["tune"])  # before the import below fails for want of it
    from liftune.exports.run import export as write_export
    from liftune.inference.bases import use_base
    from liftune.models.foreign.said import said_of
    from liftune.progress import Progress

    said = use_base(base, run, use=use, said=said_of(label_names, task))
    parity = write_export(
        run,
        to,
        format=format,
        use=use,
        rows=rows,
        accept_gap=accept_gap,
        trust_remote_code=trust_remote_code,
        said=said,
        progress=Progress(quiet=quiet),
    )
    print_parity(parity, to, as_json=as_json)


def push(
    run: Run,
    to: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the hub; made where there is none.")],
    format: Annotated[
        str, typer.Option(metavar="TEXT", help="adapter, merged (the whole model) or bundle (runs without torch).")
    ] = "adapter",
    public: Annotated[bool, typer.Option("--public", help="For everybody to see; private if not given.")] = False,
    accept_license: Annotated[
        bool,
        typer.Option(
            "--accept-license",
            help="Go on where the base model's licence forbids changed copies, or is unknown; read it first.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files and print the head of the card; send nothing.")
    ] = False,
    trust_remote_code: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Push a run's tuned model to the Hugging Face hub; never rows, texts or the report.

    The token is that of `hf auth login` or HF_TOKEN.
    """
    need(*EXTRAS["tune"])  # as for export
    from liftune.exports.push import push as send
    from liftune.progress import Progress

    pushed = send(
        run,
        to,
        format=format,
        public=public,
        accept_license=accept_license,
        dry_run=dry_run,
        trust_remote_code=trust_remote_code,
        progress=Progress(quiet=quiet),
    )
    if as_json:
        print_json(pushed.to_json())
    else:
        say("\n".join(pushed.lines()))


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="RUN|BUNDLE ...", help="Run folders or bundles, each as PATH or NAME=PATH."),
    ],
    use: Use = None,
    base: Annotated[
        list[str] | None,
        typer.Option(
            "--base",
            metavar="PATH",
            help="Folder or hub id of a base model that is no longer where it was; may be repeated.",
        ),
    ] = None,
    label_names: LabelNames = None,
    task: Task = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Models that others saved read pairs of texts; no file says so.")
    ] = False,
    port: Annotated[int, typer.Option(metavar="N", help="Port; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(metavar="TEXT", help="Address to listen on; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    workers: Annotated[
        int, typer.Option(metavar="N", help="Processes that answer requests, each on its share of the CPUs.")
    ] = 1,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="LIFTUNE_TOKEN",
            help=_TOKEN_HELP,
        ),
    ] = None,
    admin_token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="LIFTUNE_ADMIN_TOKEN",
            help=_ADMIN_HELP,
        ),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow other machines without a token.")] = False,
    device: Device = None,
    precision: Annotated[str, typer.Option(metavar="TEXT", help="float32 or bfloat16, for runs.")] = "float32",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Request or queue limit: texts, characters, queue_rows, seconds, ...",
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run Python code that comes with the models named here; never that of models loaded over HTTP.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Serve models over HTTP, with a web page; models that share a base model are batched together."""
    from liftune.models.foreign.said import said_of
    from liftune.progress import Progress
    from liftune.server.server import ServeOptions
    from liftune.server.server import serve as run_server

    said = said_of(label_names, task)
    options = ServeOptions(
        models,
        host,
        port,
        token,
        admin_token,
        insecure,
        device,
        precision,
        limit or (),
        use,
        trust_remote_code,
        base or (),
        said.label_names,
        said.task,
        pairs,
        workers,
    )
    run_server(options, log=Progress(quiet=quiet).log)
