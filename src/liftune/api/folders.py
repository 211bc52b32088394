"""`read`, `check`, `report`, `export`, `serve`: what is made of folders that liftune wrote; `init` writes a file.

In: paths, options.  Out: the state of files, a report, an export, a server.  Not here: any work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liftune import arguments
from liftune.api.calls import Data, progress, said, spec_of, verb
from liftune.errors import EXTRAS, SpecError, choose, need

if TYPE_CHECKING:
    from liftune.exports.parity import Parity
    from liftune.records.check import CheckRecord
    from liftune.records.run import TuneRecord
    from liftune.server.background import RunningServer


@verb
def check(path: str | os.PathLike[str], *, seal: bool = False) -> CheckRecord:
    """Whether every file of a run, one of its models, an adapter, a bundle or a sweep is as it was written:
    `liftune check`.

    Args:
        path: a folder, or `ORG/NAME` of a tuned model on the hub.
        seal: give seals to what an earlier liftune wrote without, if nothing is wrong that can be seen.

    Returns:
        the state of each file; `damaged` names those that are not whole.
    """
    from liftune.sweeps.check import check as run_check

    return run_check(arguments.path(path, "path"), seal=arguments.switch(seal, "seal"))


@verb
def read(run: str | os.PathLike[str]) -> TuneRecord:
    """The record of a finished run, as `tune` returned it; `record.run` is the folder where it is now."""
    from liftune.run_folder import RunFolder

    folder = RunFolder.open(arguments.path(run, "run"), where="run")
    return folder.record().model_copy(update={"run": str(folder.path)})


@verb
def report(run: str | os.PathLike[str], *, format: str | None = None, out: str | os.PathLike[str] | None = None) -> str:
    """The full report of a run: `liftune report`; of a model by itself what its card holds, of a sweep its
    ranking.

    Args:
        run: a run's folder, or a sweep's; or a model by itself: an adapter, a bundle, one of others, or `ORG/NAME`
            on the hub.
        format: md, html or json; None takes that of `out`, else md.
        out: a file to write the report to.

    Returns:
        the report; with `out` the file's path.
    """
    from liftune.workflows.report import FORMATS, format_of, read_report, write_report_of

    to, path = arguments.path_or_none(out, "out"), arguments.path(run, "run")
    form = format_of(arguments.text_or_none(format, "format"), to) or "md"
    return str(write_report_of(path, form, to, where="run")) if to else FORMATS[form](*read_report(path, where="run"))


@verb
def export(
    run: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    format: str = "onnx",
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    rows: Data | None = None,
    accept_gap: bool = False,
    trust_remote_code: bool = False,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
    quiet: bool | None = None,
) -> Parity:
    """Write a run's model for use elsewhere, and check that it predicts as the run does: `liftune export`.

    Args:
        to: a folder that does not exist yet, or is empty.
        format: one of `list_formats()`.
        use: which contender of the run; see `load`.
        base: the adapter's base model; see `load`.
        rows: a file of labelled rows to check on, or a table in memory as `tune` takes it; None takes the run's
            validation rows.
        accept_gap: keep an export whose predictions differ from the run's.
        trust_remote_code, label_names, task: see `load`.
        quiet: show no progress on stderr; None shows it in a terminal and in a notebook.

    Returns:
        how far the export's predictions are from the run's.
    """
    need(*EXTRAS["tune"])
    from liftune.data.readers.memory import is_table, tables_of
    from liftune.exports.formats import EXPORT_FORMATS
    from liftune.exports.run import export as write_export
    from liftune.inference.bases import use_base

    place, chosen = arguments.path(run, "run"), arguments.text_or_none(use, "use")
    name = choose(arguments.text(format, "format"), EXPORT_FORMATS, "export format", "format")
    options: dict[str, Any] = {
        "rows": tables_of(rows) if is_table(rows) else arguments.path_or_none(rows, "rows"),
        "accept_gap": arguments.switch(accept_gap, "accept_gap"),
        "trust_remote_code": arguments.switch(trust_remote_code, "trust_remote_code"),
    }
    folder, shown = arguments.path(to, "to"), progress(quiet)
    told = use_base(arguments.path_or_none(base, "base"), place, use=chosen, said=said(label_names, task))
    return write_export(place, folder, format=name, use=chosen, said=told, progress=shown, **options)


@verb
def serve(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    use: str | None = None,
    base: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    admin_token: str | None = None,
    insecure: bool = False,
    device: str | None = None,
    precision: str = "float32",
    limit: Sequence[str] = (),
    trust_remote_code: bool = False,
    label_names: Mapping[int, str] | Sequence[str] | str | None = None,
    task: str | None = None,
    pairs: bool = False,
    workers: int = 1,
    background: bool = False,
    quiet: bool | None = None,
) -> RunningServer | None:
    """Serve models over HTTP until Ctrl-C: `liftune serve`, whose help describes the arguments.

    Args:
        models: run folders or bundles, each as PATH or "NAME=PATH".
        background: answer from a thread of this process, and return at once; with `port=0` at any free port.

    Returns:
        with `background` a RunningServer: its `url`, its `stop()`, and `with` stops it. Else nothing, once it was
        stopped.
    """
    from liftune.server.server import ServeOptions
    from liftune.server.server import serve as run_server

    places = arguments.paths(models, "models")
    if not places:
        raise SpecError("no models to serve", where="models", hint="give a run's folder or a bundle")
    told = said(label_names, task, pairs=pairs)
    options = ServeOptions(
        models=places,
        host=arguments.text(host, "host"),
        port=arguments.port(port, "port"),
        token=arguments.text_or_none(token, "token"),
        admin_token=arguments.text_or_none(admin_token, "admin_token"),
        insecure=arguments.switch(insecure, "insecure"),
        device=arguments.text_or_none(device, "device"),
        precision=arguments.text(precision, "precision"),
        limits=arguments.texts(limit, "limit"),
        use=arguments.text_or_none(use, "use"),
        trust_remote_code=arguments.switch(trust_remote_code, "trust_remote_code"),
        bases=arguments.paths(base, "base"),
        label_names=told.label_names,
        task=told.task,
        pairs=told.pairs,
        workers=arguments.count(workers, "workers"),
    )
    shown = progress(quiet)
    if arguments.switch(background, "background"):
        from liftune.server.background import serve_in_background

        return serve_in_background(options, log=shown.log, tell=shown.tell)
    run_server(options, log=shown.log, tell=shown.tell)
    return None


@verb
def init(to: str | os.PathLike[str] = "liftune.toml", *, overwrite: bool = False, **options: Any) -> str:
    """Write a TOML file of all options of `tune` with what they do: `liftune init`.

    Args:
        to: the file.
        overwrite: replace it.
        options: of `tune`; these are set in the file, the others are left out.

    Returns:
        the file's path.
    """
    from liftune.spec_text import write_settings
    from liftune.workflows.init import check_settings

    data = options.pop("data", None)
    spec = spec_of("init", data, options)
    check_settings(spec)
    return str(write_settings(spec, arguments.path(to, "to"), overwrite=arguments.switch(overwrite, "overwrite")))
