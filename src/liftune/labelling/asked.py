"""What was asked of `liftune label`: to choose rows, or to read labels back.

In: the options of either.  Out: a record of what was done.
Not here: choosing (choose.py), reading back (filled_in.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.errors import SpecError
from liftune.labelling.choose import BUDGET, LabelOptions, choose_rows
from liftune.labelling.filled_in import ImportOptions, import_labels
from liftune.progress import Progress
from liftune.records.labelling import ImportRecord, LabelRecord
from liftune.spec import IN_MEMORY


@dataclass(frozen=True)
class Asked:
    """The options, by the same names; None where they were not given."""

    run: str
    pool: str | None = None
    tables: TablesInMemory | None = None
    """The pool in memory."""
    budget: int | None = None
    strategy: str | None = None
    out: str | None = None
    form: str | None = None
    """--format."""
    write: bool = True
    """Whether rows are written where `out` is None, too."""
    overwrite: bool = False
    filled_in: str | None = None
    """--import."""
    new_labels: bool = False
    seed: int | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    reading: FileOptions = NONE_GIVEN
    use: str | None = None
    base: str | None = None
    device: str | None = None
    trust_remote_code: bool = False


def carried_out(asked: Asked, progress: Progress) -> LabelRecord | ImportRecord:
    """Choose rows, or read labels back.

    Raises:
        SpecError: neither a pool nor a file of labels is given, or an option is for the other.
        LiftuneError: as `choose_rows` and `import_labels`.
    """
    if asked.filled_in is not None:
        return import_labels(_to_import(asked))
    if asked.pool is None and asked.tables is None:
        raise SpecError(
            "no rows to choose from, and no labels to read back",
            where="POOL",
            hint="give a file or folder of rows without labels; or with --import FILE the file that was filled in",
        )
    _refuse({"--new-labels": asked.new_labels, "--label": asked.label}, "is for labels that are read back", "--import")
    return choose_rows(_to_choose(asked), progress)


def _to_choose(asked: Asked) -> LabelOptions:
    return LabelOptions(
        run=asked.run,
        source=IN_MEMORY if asked.pool is None else asked.pool,
        tables=asked.tables,
        budget=BUDGET if asked.budget is None else asked.budget,
        strategy=asked.strategy,
        seed=asked.seed or 0,
        out=asked.out,
        form=asked.form,
        write=asked.write,
        overwrite=asked.overwrite,
        text=asked.text,
        text_pair=asked.text_pair,
        reading=asked.reading,
        use=asked.use,
        base=asked.base,
        device=asked.device,
        trust_remote_code=asked.trust_remote_code,
    )


def _to_import(asked: Asked) -> ImportOptions:
    only = {"--budget": asked.budget, "--strategy": asked.strategy, "--format": asked.form, "--seed": asked.seed}
    only |= {"--use": asked.use, "--base": asked.base, "--device": asked.device}
    _refuse(only, "is for choosing rows, and --import reads labels back", None)
    if asked.tables is not None:
        raise SpecError(
            "a pool in memory", where="pool", hint="with labels to read back, give it as a path or leave it out"
        )
    return ImportOptions(
        filled_in=asked.filled_in or "",
        run=asked.run,
        pool=asked.pool,
        out=asked.out,
        overwrite=asked.overwrite,
        new_labels=asked.new_labels,
        text=asked.text,
        text_pair=asked.text_pair,
        label=asked.label,
        reading=asked.reading,
    )


def _refuse(options: Mapping[str, object], why: str, needs: str | None) -> None:
    given = [name for name, value in options.items() if value not in (None, False)]
    if given:
        hint = f"leave it out{f', or give {needs} FILE' if needs else ''}"
        raise SpecError(f"{' and '.join(given)} {why}", where=", ".join(given), hint=hint)
