"""The files of an export besides its weights: the bundle's card, its tokenizer, a README.

In: a merged Classifier and its adapter's card.  Out: files in a folder.
Not here: the graph (onnx_graph.py), reading a bundle (inference/onnx_bundle.py).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from liftune.errors import ModelError
from liftune.exports.parity import Parity
from liftune.files import safetensor_errors, write_json
from liftune.inference.bundle_card import CARD, MODEL, TOKENIZER, BundleCard, card_tokens
from liftune.models.adapter_io import CARD as ADAPTER_CARD
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.models.pretrained import quiet
from liftune.models.tokens.encoder import RowEncoder
from liftune.models.tokens.saving import save_tokenizer
from liftune.option_values import CONTRASTIVE
from liftune.records.reading import write_sealed
from liftune.records.training import AdapterCard
from liftune.reports.snippets import long_texts_outside, pipeline_row
from liftune.seals import hash_files
from liftune.tasks import task_of

README = "README.md"


def write_tokenizer(classifier: Classifier, folder: Path) -> dict[str, Any]:
    """tokenizer.json, set to cut rows at the model's limit; and the rules around it, for the card.

    Raises:
        ModelError: the tokenizer needs code of its own, which a file cannot hold.
    """
    backbone = classifier.backbone
    tokeniser = RowEncoder(backbone.model, backbone.tokenizer, classifier.max_length, classifier.long)
    if not tokeniser.plain:
        raise ModelError(
            f"the tokenizer {type(backbone.tokenizer).__name__} needs code of its own, and a bundle holds only data",
            where=backbone.name,
            hint="export it with --format merged, or use the run's folder",
        )
    tokeniser.rules.calls(tokeniser.backend)
    (folder / TOKENIZER).write_text(tokeniser.backend.to_str(), encoding="utf-8")
    return card_tokens(tokeniser.rules)


def write_card(
    folder: Path,
    card: AdapterCard,
    *,
    format: str,
    tokens: dict[str, Any],
    inputs: tuple[str, ...],
    scheme: str | None,
) -> BundleCard:
    """bundle.json, written last: it holds the hashes of the other files."""
    bundle = BundleCard(
        liftune=version("liftune"),
        format=format,
        task=card.task,
        labels=card.labels,
        pairs=card.pairs,
        columns=card.columns,
        method=card.method,
        base=card.base,
        base_sha256=card.base_sha256,
        family=card.family,
        inputs=inputs,
        tokens=tokens,
        temperature=card.temperature,
        thresholds=card.thresholds,
        cutoffs=card.cutoffs,
        scheme=scheme,
        files=hash_files(folder, (MODEL, TOKENIZER)),
    )
    write_json(folder / CARD, bundle.to_json())
    return bundle


def write_merged(classifier: Classifier, card: AdapterCard, folder: Path) -> None:
    """A folder for `from_pretrained`; liftune reads it as a fully tuned model."""
    model: Any = classifier.backbone.model
    with quiet(), safetensor_errors():
        model.save_pretrained(folder)
        save_tokenizer(classifier.backbone.tokenizer, folder)
    write_sealed(folder / ADAPTER_CARD, card.model_copy(update={"method": "full"}))


def _made(card: AdapterCard) -> str:
    """What the model is: a contender that was not tuned has its own name where others have a method."""
    if card.method in METHODS:
        return f"{card.base}, tuned with {card.method}"
    if card.method == CONTRASTIVE:
        return f"{card.base}, tuned on pairs of rows, with a linear model on its states, the contender {card.method}"
    return f"{card.base} as it is, kept as the contender {card.method}"


def cut_elsewhere(card: AdapterCard, format: str) -> tuple[str, ...]:
    """What is done otherwise with long texts by whoever reads an export without liftune: none but a merged model."""
    return long_texts_outside(card) if format == "merged" else ()


def write_readme(folder: Path, card: AdapterCard, parity: Parity, *, usage: str, name: str) -> None:
    """README.md: what this is, how to use it, how far its predictions are from the run's.

    Args:
        usage: as of ExportFormat.
        name: of the folder.
    """
    labels = ", ".join(f"`{label}`" for label in card.labels)
    lines = (
        f"# {name}",
        f"{_made(card)} by liftune {card.liftune}; exported as `{parity.format}`.",
        f"Input: {'text pairs' if card.pairs else 'texts'}. It {task_of(card.task).summary}"
        f"{f': {labels}' if labels else ''}.",
        "## Usage",
        usage.format(name=name, max_length=card.max_length, row=pipeline_row(card)),
        *cut_elsewhere(card, parity.format),
        "## Checked against the run",
        "```text\n" + "\n".join(parity.lines()) + "\n```",
        *(f"Exceeds the tolerance, and was accepted: {each}." for each in parity.excesses),
    )
    (folder / README).write_text("\n\n".join(lines) + "\n", encoding="utf-8")
