"""`liftune export`: merge, write, predict the validation rows with what was written, keep it or refuse it.

In: a run, a folder to write.  Out: the folder, and its Parity; nothing is left of a refused export.
Not here: how a format is written (formats.py), how far its predictions may be from the run's (parity.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from liftune.claims import claim_file
from liftune.data.readers.memory import TablesInMemory
from liftune.data.splits import Split
from liftune.data.test_part import load_test
from liftune.errors import EXTRAS, ArtifactError, DataError, amount, need, pasted
from liftune.exports.bundle import cut_elsewhere, write_readme
from liftune.exports.formats import EXPORT_FORMATS, ExportJob
from liftune.exports.originals import Original, card_of, completed, open_original
from liftune.exports.parity import Parity, Reference
from liftune.files import atomic_folder, check_writable, replaceable, write_json
from liftune.inference.locate import locate_model
from liftune.models.foreign.card import ForeignCard
from liftune.models.foreign.said import NOTHING, Said
from liftune.progress import Progress
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder, run_around
from liftune.seals import with_seal
from liftune.spec import IN_MEMORY, DataSpec
from liftune.tasks import task_of

PARITY = "parity.json"
#: Most rows that an export is checked on; of more, so many are taken evenly.
MOST_ROWS = 2_000


def export(
    run: str | Path,
    to: str | Path,
    *,
    format: str = "onnx",
    use: str | None = None,
    rows: str | TablesInMemory | None = None,
    accept_gap: bool = False,
    trust_remote_code: bool = False,
    said: Said = NOTHING,
    progress: Progress | None = None,
) -> Parity:
    """Write a run's model for use elsewhere, and check that it predicts as the run does.

    Args:
        to: a folder that does not exist yet, or is empty.
        format: a name of EXPORT_FORMATS: `liftune list formats`.
        use: which contender of the run; None takes the tuned one, but where the verdict says that it is worse than the
            recommended one.
        rows: a file of labelled rows to check on, or such rows in memory; None takes the run's validation rows.
        accept_gap: keep the export even if its predictions differ from the run's by more than the format allows.
        trust_remote_code: run Python code of the model's own, where it needs some.
        said: what the user says of a model that others saved.

    Raises:
        Held: another process exports to the folder.
        ArtifactError: no run, no rows to check on, or predictions that differ too much from the run's; nothing is left
            then.
        MethodError, ModelError: a method or family that cannot be exported.
        SpecError: an unknown format, an unknown contender, or one that no format can hold.
    """
    entry, progress = EXPORT_FORMATS[format], progress or Progress(quiet=True)
    need(*(module for extra in ("tune", *entry.extras) for module in EXTRAS[extra]))
    model = locate_model(run, use=use, said=replace(said, trust_remote_code=trust_remote_code))
    if model.kind == "bundle":
        raise ArtifactError(f"{run} was exported already", where="RUN", hint="give the run that it was exported from")
    if model.note:
        progress.tell(model.note)
    card = card_of(model, any_head=entry.any_head)
    _check_unused(Path(to))
    with claim_file(Path(to), where="--to"), atomic_folder(Path(to)) as fresh:
        original, merged = open_original(model, trust_remote_code=trust_remote_code)
        if entry.check_config is not None:
            entry.check_config(original.classifier.backbone.model.config)
        reference = _reference(original, model.folder, card, rows)
        progress.log(f"checking on {amount(len(reference.rows), 'row')} ({reference.source})")
        parity = entry.write(ExportJob(entry, merged(), reference, fresh, progress))
        if parity.excesses and not accept_gap:
            raise _refused(parity, Path(to), entry.tolerance.rows_needed())
        write_json(fresh / PARITY, with_seal(parity.model_dump(mode="json")))
        for sentence in cut_elsewhere(reference.card, entry.name):
            progress.tell(sentence)
        write_readme(fresh, reference.card, parity, usage=entry.usage, name=Path(to).name)
    return parity


def _reference(original: Original, folder: Path, card: AdapterCard, given: str | TablesInMemory | None) -> Reference:
    """The rows to check on, and the run's own logits of them, computed anew."""
    if given is None:
        split, source = _validation(folder, card), "validation"
    else:
        spec = DataSpec(source=given if isinstance(given, str) else IN_MEMORY)
        tables, source = None if isinstance(given, str) else given, spec.source
        split = _labelled(spec, tables, card)
    if not len(split):
        raise ArtifactError("there are no rows to check on", where=source, hint="give labelled rows with --rows FILE")
    if len(split) > MOST_ROWS:
        split = split.take(np.linspace(0, len(split) - 1, MOST_ROWS, dtype=int).tolist())
    labels = {label for target in split.targets for label in (target if isinstance(target, tuple) else (target,))}
    unseen = sorted(str(label) for label in labels - set(card.labels)) if task_of(card.task).outputs_labels else []
    targets = task_of(card.task).encode(split.targets, (*card.labels, *unseen))
    card = completed(card, original.classifier, pairs=isinstance(split.rows[0], tuple))
    return Reference(split.rows, targets, original.scorer.logits(split.rows), source, card)


def _labelled(spec: DataSpec, tables: TablesInMemory | None, card: AdapterCard) -> Split:
    """Rows to check on that the user gives; no option says which column is which."""
    try:
        return load_test(spec, task=card.task, rows=tables, known=card.columns, labels=card.labels).test
    except DataError as error:
        if "liftune" not in (error.hint or ""):
            raise
        hint = "call its columns text and label, or as those are called that the model was tuned on"
        raise DataError(error.message, where=error.where, hint=hint) from None


def _validation(folder: Path, card: AdapterCard) -> Split:
    if isinstance(card, ForeignCard):
        raise ArtifactError(
            "an export is checked on labelled rows, and none were saved with the model",
            where=str(folder),
            hint="give some with --rows FILE",
        )
    run = run_around(folder)
    try:
        return RunFolder(run).split("validation")
    except ArtifactError:
        raise ArtifactError(
            "the run's validation rows are not beside the adapter, and an export is checked on them",
            where=str(run / "rows" / "validation.jsonl"),
            hint="give the run's folder, or labelled rows with --rows FILE",
        ) from None


def _refused(parity: Parity, to: Path, rows_needed: int) -> ArtifactError:
    hint = "export in another format, or keep it with --accept-gap"
    if parity.rows < rows_needed:
        hint = (
            f"give more rows with --rows FILE: with {parity.rows:,} the interval is too wide even if no prediction "
            f"changes, {rows_needed:,} are needed; or keep it with --accept-gap"
        )
    error = ArtifactError(
        f"the export's predictions differ from the run's: {'; '.join(parity.excesses)}", where=str(to), hint=hint
    )
    for line in parity.lines():
        error.add_note(line.strip())
    return error


def _check_unused(to: Path) -> None:
    """Refuse a folder that holds something, before anything is computed."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ArtifactError(
            f"{to} exists and is not empty" if to.is_dir() else f"{to} is a file",
            where="--to",
            hint="name another folder, or remove this one first",
        )
    if not replaceable(to):
        raise ArtifactError(
            f"{to} is the folder that you are in, or a disk: an export takes its name once it is whole",
            where="--to",
            hint=f"name a folder in it: --to {pasted(to / 'export')}",
        )
    check_writable(to)
