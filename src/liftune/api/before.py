"""`inspect` and `doctor`: what to know before a run.

In: options.  Out: what was found.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from liftune import arguments
from liftune.api.calls import Data, verb, with_rows
from liftune.errors import EXTRAS, need

if TYPE_CHECKING:
    from liftune.data.inspect import Inspection
    from liftune.workflows.doctor import Checkup


@verb
def inspect(
    data: Data,
    *,
    model: str | os.PathLike[str] | None = "minilm",
    max_length: int | None = None,
    out: str | os.PathLike[str] | None = None,
    drop: Sequence[str] = (),
    quiet: bool | None = None,
    **options: Any,
) -> Inspection:
    """What is in a data set before any model sees it: `liftune inspect`.

    Args:
        data: as for `tune`, but parts that are cut already.
        model: whose tokens to count; None counts words.
        out: where to write the cleaned data: a .jsonl file, or a folder of them.
        drop: what `out` leaves out beyond bad, repeated, conflicting and leaked rows: near, suspects.
        quiet: taken as by the other verbs; it shows no progress.
        options: data options of `tune`, and config: text, label, task, split, ...
    """
    from liftune.workflows.inspect import inspect_data

    if quiet is not None:
        arguments.switch(quiet, "quiet")
    if hasattr(data, "to_splits") or data is None:
        arguments.path(data, "data")
    spec, tables = with_rows("inspect", data, {"max_length": max_length, **options})
    return inspect_data(
        spec.data,
        tables,  # type: ignore[arg-type] # no parts, as was made sure
        model=arguments.path_or_none(model, "model"),
        max_length=spec.model.max_length,
        out=arguments.path_or_none(out, "out"),
        drop=arguments.texts(drop, "drop"),
    )


@verb
def doctor(
    data: Data | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    remeasure: bool = False,
    **options: Any,
) -> Checkup:
    """What was measured on this machine and what the plan would be, for a model and data: `liftune doctor`.

    Args:
        data: what to plan for, as for `tune`; None plans for none.
        model: None looks at the machine only, or with data at the default model.
        remeasure: ignore earlier measurements.
        options: data and model options of `tune`, batch_size and accelerations.
    """
    need(*EXTRAS["tune"])
    from liftune.workflows.doctor import run_doctor

    remeasure = arguments.switch(remeasure, "remeasure")
    spec, rows = with_rows("doctor", data, {"model": model, **options})
    return run_doctor(spec, rows, remeasure=remeasure)
