"""The export formats: EXPORT_FORMATS, and how each is written.

In: a merged Classifier, and what to compare with.  Out: files in a folder, and their Parity.
Not here: the whole of an export (run.py), any step's own work (bundle.py, onnx_graph.py, quantize.py, parity.py).
All is listed without torch, which is imported where a format is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from liftune.exports.parity import Parity, Reference, SameProbabilities, SmallLoss, Tolerance, compare
from liftune.registry import Registry

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from liftune.exports.quantize import Scheme
    from liftune.models.classifier import Classifier
    from liftune.progress import Progress

#: Rows at once on which a bundle is compared: the predictions of dynamically quantised models depend on it.
BATCHES = (32, 1)
#: How a bundle is used, for the README of an export.
_BUNDLE_USAGE = """\
Needs no torch: `pip install 'liftune[runtime]'`.

```console
$ liftune predict {name} "some text"
$ liftune predict {name} --in rows.csv --out predictions.csv
```"""


@dataclass(frozen=True)
class ExportJob:
    """What a format's `write` gets."""

    format: ExportFormat
    merged: Classifier
    """The tuned model with its adapter merged into the weights."""
    reference: Reference
    folder: Path
    """Empty, to be written to."""
    progress: Progress

    def compare(self, exported: Mapping[int, NDArray[np.float32]], scheme: str | None = None) -> Parity:
        """Compare the export with the run.

        Args:
            exported: rows at once -> (N, C) logits of what was written, on the reference's rows.
            scheme: which weights are 8 bits wide.
        """
        return compare(
            self.reference, exported, format=self.format.name, tolerance=self.format.tolerance, scheme=scheme
        )


@dataclass(frozen=True)
class ExportFormat:
    """A way to write a tuned model for use elsewhere."""

    name: str
    summary: str
    write: Callable[[ExportJob], Parity]
    """Writes the folder, and compares what was written with the run."""
    tolerance: Tolerance
    usage: str
    """Markdown for the README of an export; `{name}`, `{max_length}` and `{row}`, a row as code, are replaced."""
    extras: tuple[str, ...] = ()
    """Extras of liftune that it needs, besides `tune`."""
    any_head: bool = False
    """Whether it holds a head that the model's family does not have: that of a linear model on features."""
    check_config: Callable[[PretrainedConfig], None] | None = None
    """Raises a ModelError for a model that cannot be written so, before anything is computed."""


def _export_format(name: str, build: Callable[[ExportJob], Parity], **facts: Any) -> ExportFormat:
    return ExportFormat(name=name, write=build, **facts)


EXPORT_FORMATS: Registry[ExportFormat] = Registry("format", _export_format, group="liftune.export_formats")


@EXPORT_FORMATS.entry(
    "merged",
    summary="A plain transformers folder, the adapter merged into the weights.",
    tolerance=SameProbabilities(gap=1e-4),
    usage="""\
```python
from transformers import pipeline

classify = pipeline("text-classification", model="{name}")
answers = classify({row}, top_k=None, truncation=True, max_length={max_length})
```

Its `config.json` names class, labels and task, as servers such as vLLM and text-embeddings-inference read them. Keep
{max_length} tokens of each text there too.""",
)
def _write_merged(job: ExportJob) -> Parity:
    from liftune.exports import bundle
    from liftune.hardware.plan import Plan
    from liftune.models.adapter_io import open_adapter

    bundle.write_merged(job.merged, job.reference.card, job.folder)
    rows = job.reference.rows
    allowed = job.merged.backbone.trust_remote_code  # what was merged runs that code already
    again = open_adapter(job.folder, plan=Plan(), trust_remote_code=allowed)
    return job.compare({len(rows): again.logits(rows)})


def _check_onnx(config: PretrainedConfig) -> None:
    from liftune.exports.onnx_graph import check_family

    check_family(config)


@EXPORT_FORMATS.entry(
    "onnx",
    summary="A bundle that runs without torch.",
    tolerance=SameProbabilities(gap=1e-3),
    usage=_BUNDLE_USAGE,
    extras=("export", "runtime"),
    any_head=True,
    check_config=_check_onnx,
)
def _write_onnx(job: ExportJob) -> Parity:
    write_card = _write_graph(job)
    write_card(None)
    return job.compare(_bundle_logits(job, BATCHES))


@EXPORT_FORMATS.entry(
    "onnx-int8",
    summary="The same in 8 bits: smaller and faster, some predictions may change.",
    tolerance=SmallLoss(flips=0.02, lost=0.01, noise=0.05),
    usage=_BUNDLE_USAGE,
    extras=("export", "runtime"),
    any_head=True,
    check_config=_check_onnx,
)
def _write_int8(job: ExportJob) -> Parity:
    from liftune.exports.quantize import SCHEMES, prepare, quantize
    from liftune.inference.bundle_card import MODEL

    write_card = _write_graph(job)
    plain, prepared = job.folder / "plain.onnx", job.folder / "prepared.onnx"
    (job.folder / MODEL).rename(plain)
    prepare(plain, prepared)

    def attempt(scheme: Scheme) -> Parity:
        description = quantize(prepared, job.folder / MODEL, scheme)
        write_card(description)
        parity = job.compare(_bundle_logits(job, BATCHES[:1]), description)
        # One row at a time takes longest, and is not needed where the scheme has failed already.
        return parity if parity.excesses else job.compare(_bundle_logits(job, BATCHES), description)

    attempts: list[Parity] = []
    # On too few rows none can pass: the cheapest then shows how far it is.
    enough = len(job.reference.rows) >= job.format.tolerance.rows_needed()
    for scheme in SCHEMES if enough else SCHEMES[:1]:
        attempts.append(attempt(scheme))
        job.progress.log("\n".join(attempts[-1].lines()[1:]))
        if not attempts[-1].excesses:
            break
    best = min(attempts, key=lambda each: (len(each.excesses), each.batches[0].flipped))
    if best is not attempts[-1]:
        best = attempt(SCHEMES[attempts.index(best)])
    plain.unlink()
    prepared.unlink()
    return best


def _write_graph(job: ExportJob) -> Callable[[str | None], None]:
    """Write a bundle's graph and tokenizer.

    Returns:
        what writes the card, once the graph is as it shall be, given the scheme of its 8-bit weights.
    """
    from liftune.exports import bundle
    from liftune.exports.onnx_graph import write_graph
    from liftune.inference.bundle_card import MODEL

    tokens = bundle.write_tokenizer(job.merged, job.folder)
    inputs = write_graph(job.merged, job.folder / MODEL)

    def write_card(scheme: str | None) -> None:
        card = job.reference.card
        bundle.write_card(job.folder, card, format=job.format.name, tokens=tokens, inputs=inputs, scheme=scheme)

    return write_card


def _bundle_logits(job: ExportJob, batches: tuple[int, ...]) -> dict[int, NDArray[np.float32]]:
    """Rows at once -> (N, C) logits of the bundle as it was written."""
    from liftune.inference.onnx_bundle import Bundle, usable_cpus

    bundle = Bundle.open(job.folder, threads=usable_cpus())
    return {count: bundle.logits_by(job.reference.rows, count) for count in batches}
