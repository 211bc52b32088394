"""The story of an export: merge, write, answer the validation rows with what was written, keep it or refuse it.

In: a run, a folder to write.  Out: the folder, and its Parity; nothing is left of an export that is refused.
Not here: any step's own work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.load import load_test
from liftune.data.splits import Split
from liftune.errors import EXTRAS, ArtifactError, SpecError, nearest, need
from liftune.export.bundle import write_card, write_merged, write_page, write_tokenizer
from liftune.export.onnx_graph import check_family, write_graph
from liftune.export.parity import FORMATS, Format, Parity, compare, rows_needed
from liftune.export.quantize import SCHEMES, Scheme, prepare, quantize
from liftune.files import atomic_folder, check_writable
from liftune.hardware.plan import Plan
from liftune.inference.onnx_bundle import MODEL, Bundle, usable_processors
from liftune.inference.predictor import locate_model
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.classifier import Classifier
from liftune.models.merge import check_mergeable, open_merged
from liftune.progress import Progress
from liftune.records.training import AdapterCard
from liftune.run_folder import RunFolder
from liftune.spec import DataSpec
from liftune.tasks import task_of
from liftune.types import Row

PARITY = "parity.json"
#: Most rows that an export is checked on; of more, as many are taken evenly.
MOST_ROWS = 2_000
#: Rows at once on which a bundle is checked: the answers of dynamically quantised models depend on it.
BATCHES = (32, 1)


@dataclass(frozen=True)
class Check:
    """What an export is held against."""

    rows: tuple[Row, ...]
    targets: NDArray[Any]
    original: NDArray[np.float32]
    source: str
    card: AdapterCard

    def against(self, exported: dict[int, NDArray[np.float32]], format: Format, scheme: str | None = None) -> Parity:
        """How far the export's logits are from the run's."""
        return compare(
            self.original,
            exported,
            format=format,
            task=self.card.task,
            targets=self.targets,
            source=self.source,
            thresholds=self.card.thresholds,
            scheme=scheme,
        )


def export(
    run: str | Path,
    to: str | Path,
    *,
    format: str = "onnx",
    rows: str | None = None,
    accept_gap: bool = False,
    progress: Progress | None = None,
) -> Parity:
    """Write a run's tuned model for use elsewhere, and prove that it answers as the run does.

    Args:
        to: a folder that is not there yet, or empty.
        format: merged, onnx or onnx-int8.
        rows: a file of labelled rows to check on; None takes the run's validation rows.
        accept_gap: keep the export where it answers otherwise than the run.

    Raises:
        ArtifactError: no run, no rows to check on, or answers that are too far from the run's; nothing is left then.
        MethodError, ModelError: a method or family that cannot be exported.
        SpecError: an unknown format.
    """
    kind, said = _format(format), progress or Progress(quiet=True)
    need(*EXTRAS["tune"], *(() if kind == "merged" else (*EXTRAS["export"], *EXTRAS["runtime"])))
    model = locate_model(run)
    if model.kind == "bundle":
        raise ArtifactError(f"{run} was exported already", where="RUN", hint="give the run that it was exported from")
    folder = model.folder
    card = read_card(folder)
    check_mergeable(card.method)
    _check_unused(Path(to))
    with atomic_folder(Path(to)) as fresh:
        original = open_adapter(folder, plan=Plan())
        if kind != "merged":
            check_family(original.backbone.model.config)
        check = _check(original, folder, card, rows)
        said.log(f"checking on {len(check.rows):,} rows ({check.source})")
        merged = open_merged(folder, plan=Plan(attention="sdpa"))
        parity = _merged(merged, check, fresh) if kind == "merged" else _bundle(merged, check, kind, fresh, said)
        if parity.excesses and not accept_gap:
            raise _refused(parity, Path(to), len(check.rows))
        (fresh / PARITY).write_text(parity.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_page(fresh, card, parity, name=Path(to).name)
    return parity


def _merged(merged: Classifier, check: Check, fresh: Path) -> Parity:
    write_merged(merged, check.card, fresh)
    answers = open_adapter(fresh, plan=Plan()).logits(check.rows)
    return check.against({len(check.rows): answers}, "merged")


def _bundle(merged: Classifier, check: Check, kind: Format, fresh: Path, said: Progress) -> Parity:
    tokens = write_tokenizer(merged, fresh)
    inputs = write_graph(merged, fresh / MODEL)
    facts: dict[str, Any] = {"format": kind, "tokens": tokens, "inputs": inputs}
    if kind == "onnx":
        write_card(fresh, check.card, **facts, scheme=None)
        return check.against(_answers(fresh, check.rows, BATCHES), kind)
    plain, prepared = fresh / "plain.onnx", fresh / "prepared.onnx"
    (fresh / MODEL).rename(plain)
    prepare(plain, prepared)

    def tried(scheme: Scheme) -> Parity:
        named = quantize(prepared, fresh / MODEL, scheme)
        write_card(fresh, check.card, **facts, scheme=named)
        parity = check.against(_answers(fresh, check.rows, BATCHES[:1]), kind, named)
        # One row at a time takes longest, and need not be asked of what has failed already.
        return parity if parity.excesses else check.against(_answers(fresh, check.rows, BATCHES), kind, named)

    found: list[Parity] = []
    # On too few rows none can pass: the cheapest then shows what there is.
    for scheme in SCHEMES if len(check.rows) >= rows_needed() else SCHEMES[:1]:
        found.append(tried(scheme))
        said.log("\n".join(found[-1].lines()[1:]))
        if not found[-1].excesses:
            break
    best = min(found, key=lambda each: (len(each.excesses), each.batches[0].flipped))
    if best is not found[-1]:
        best = tried(SCHEMES[found.index(best)])
    plain.unlink()
    prepared.unlink()
    return best


def _answers(folder: Path, rows: tuple[Row, ...], batches: tuple[int, ...]) -> dict[int, NDArray[np.float32]]:
    bundle = Bundle.open(folder, threads=usable_processors())
    return {count: bundle.logits_by(rows, count) for count in batches}


def _check(original: Classifier, folder: Path, card: AdapterCard, file: str | None) -> Check:
    """The rows to check on, and the run's own answers to them, computed anew."""
    if file is None:
        split, source = _validation(folder), "validation"
    else:
        loaded = load_test(DataSpec(source=file), task=card.task)
        split, source = loaded.test, file
    if not len(split):
        raise ArtifactError("there are no rows to check on", where=source, hint="give labelled rows with --rows FILE")
    if len(split) > MOST_ROWS:
        split = split.take(np.linspace(0, len(split) - 1, MOST_ROWS, dtype=int).tolist())
    named = {label for target in split.targets for label in (target if isinstance(target, tuple) else (target,))}
    unseen = sorted(str(label) for label in named - set(card.labels)) if task_of(card.task).outputs_labels else []
    targets = task_of(card.task).encode(split.targets, (*card.labels, *unseen))
    return Check(split.rows, targets, original.logits(split.rows), source, card)


def _validation(folder: Path) -> Split:
    try:
        return RunFolder(folder.parent).split("validation")
    except ArtifactError:
        raise ArtifactError(
            "the run's validation rows are not beside the adapter, and an export is checked on them",
            where=str(folder.parent / "rows" / "validation.jsonl"),
            hint="give the run's folder, or labelled rows with --rows FILE",
        ) from None


def _refused(parity: Parity, to: Path, rows: int) -> ArtifactError:
    hint = "export in another format, or keep it all the same with --accept-gap"
    if parity.format == "onnx-int8" and rows < rows_needed():
        hint = (
            f"give more rows with --rows FILE: on {rows:,} the interval is too wide even where no answer changes, "
            f"{rows_needed():,} are needed; or keep it all the same with --accept-gap"
        )
    error = ArtifactError(
        f"the export answers otherwise than the run: {'; '.join(parity.excesses)}", where=str(to), hint=hint
    )
    for line in parity.lines():
        error.add_note(line.strip())
    return error


def _format(asked: str) -> Format:
    found = next((each for each in FORMATS if each == asked), None)
    if found is None:
        raise SpecError(
            f"unknown format {asked!r}{nearest(asked, FORMATS)}",
            where="--format",
            hint=f"choose one of: {', '.join(FORMATS)}",
        )
    return found


def _check_unused(to: Path) -> None:
    """Refuse a folder that holds something, before anything is computed."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ArtifactError(
            f"{to} exists and is not empty" if to.is_dir() else f"{to} is a file",
            where="--to",
            hint="name another folder, or remove this one first",
        )
    check_writable(to)
