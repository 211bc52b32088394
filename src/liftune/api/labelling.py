"""`label`: which rows of a pool to label next, and their labels read back.

In: a pool or a file of labels, a run.  Out: a record.  Not here: any work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from liftune import arguments
from liftune.api.calls import Data, progress, verb
from liftune.errors import EXTRAS, SpecError, need, shown

if TYPE_CHECKING:
    from liftune.records.labelling import ImportRecord, LabelRecord


@verb
def label(
    pool: Data | None = None,
    *,
    run: str | os.PathLike[str],
    budget: int | None = None,
    strategy: str | None = None,
    out: str | os.PathLike[str] | None = None,
    format: str | None = None,
    overwrite: bool = False,
    filled_in: str | os.PathLike[str] | None = None,
    new_labels: bool = False,
    seed: int | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
    quiet: bool | None = None,
) -> LabelRecord | ImportRecord:
    """The rows of an unlabelled pool that are best labelled next, or their labels read back: `liftune label`.

    Args:
        pool: a path, or rows in memory as `predict` takes them: a table, or a list of texts. Labels in it are not
            looked at.
        run: the run whose model is asked; rows that it has seen are never chosen.
        budget: labels that can be made; None is 100.
        strategy: one of `list_strategies()`; None takes the first.
        out: a file to write the rows to: .csv, .tsv, .jsonl, or .json for tasks of Label Studio; None writes none. Of
            labels that are read back a .jsonl file; None is labelled.jsonl.
        format: csv, tsv, jsonl or label-studio, where `out` is None: writes to-label with its ending.
        overwrite: replace the file.
        filled_in: a file that people filled in, or that Label Studio exports (`--import`): its labels are read back.
        new_labels: with `filled_in`, take labels that the run does not know.
        seed: of what is drawn; None is 0.
        text: the column of the text, where that is not clear; "subject,body" joins two.
        text_pair: the column of the second text.
        label: with `filled_in`, the column of the labels.
        use, base, device, trust_remote_code: see `load`.
        quiet: show no progress on stderr; None shows it in a terminal and in a notebook.

    Returns:
        of a choice the rows with the model's suggestions (`picks`), why others were not to choose from, and what so
        many labels should bring; of labels that were read back how many, and why others were left out.
    """
    need(*EXTRAS["tune"])
    from liftune.data.readers.memory import tables_of
    from liftune.labelling.asked import Asked, carried_out

    is_path = pool is None or isinstance(pool, str | os.PathLike)
    asked = Asked(
        run=arguments.path(run, "run"),
        pool=arguments.path_or_none(pool, "pool") if is_path else None,
        tables=None if is_path else tables_of(_rows(pool)),
        budget=None if budget is None else arguments.whole(budget, "budget"),
        strategy=arguments.text_or_none(strategy, "strategy"),
        out=arguments.path_or_none(out, "out"),
        form=arguments.text_or_none(format, "format"),
        write=False,
        overwrite=arguments.switch(overwrite, "overwrite"),
        filled_in=arguments.path_or_none(filled_in, "filled_in"),
        new_labels=arguments.switch(new_labels, "new_labels"),
        seed=None if seed is None else arguments.whole(seed, "seed"),
        text=arguments.text_or_none(text, "text"),
        text_pair=arguments.text_or_none(text_pair, "text_pair"),
        label=arguments.text_or_none(label, "label"),
        use=arguments.text_or_none(use, "use"),
        base=arguments.path_or_none(base, "base"),
        device=arguments.text_or_none(device, "device"),
        trust_remote_code=arguments.switch(trust_remote_code, "trust_remote_code"),
    )
    return carried_out(asked, progress(quiet))


def _rows(pool: Any) -> Any:
    """A table; of texts, or pairs of them, one with columns.

    Raises:
        SpecError: it is neither.
    """
    from liftune.data.readers.memory import is_table
    from liftune.data.row_lines import as_columns
    from liftune.inference.rows import texts_of

    given = texts_of(pool)
    if not is_table(given):
        hint = "give a path, a table or a list of texts"
        raise SpecError(f"pool must be rows, not {shown(pool)}", where="pool", hint=hint)
    if isinstance(given, list | tuple) and given and all(isinstance(each, str) for each in given):
        return [{"text": each} for each in given]
    pairs = isinstance(given, list) and given and all(isinstance(each, tuple) and len(each) == 2 for each in given)
    return [as_columns(each) for each in given] if pairs else pool
