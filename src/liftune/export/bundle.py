"""What stands beside the weights: the bundle's card, its tokenizer, a page for people.

In: a merged Classifier and its adapter's card.  Out: files in a folder.
Not here: the graph (graph.py), reading a bundle (runtime.py).
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from liftune.errors import ModelError
from liftune.export.parity import Format, Parity
from liftune.files import sha256_of_files
from liftune.inference.onnx_bundle import CARD, MODEL, TOKENIZER, BundleCard, card_tokens
from liftune.models.adapter_io import CARD as ADAPTER_CARD
from liftune.models.backbone import quiet
from liftune.models.classifier import Classifier
from liftune.models.tokens.encoder import RowEncoder
from liftune.records.training import AdapterCard

README = "README.md"


def write_tokenizer(classifier: Classifier, folder: Path) -> dict[str, Any]:
    """tokenizer.json, told to cut rows at the model's limit; and the rules around it, for the card.

    Raises:
        ModelError: the tokenizer works by code of its own, which no file could hold.
    """
    backbone = classifier.backbone
    tokeniser = RowEncoder(backbone.model, backbone.tokenizer, classifier.max_length)
    if not tokeniser.plain:
        raise ModelError(
            f"the tokenizer {type(backbone.tokenizer).__name__} works by code, and a bundle holds only data",
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
    format: Format,
    tokens: dict[str, Any],
    inputs: tuple[str, ...],
    scheme: str | None,
) -> BundleCard:
    """bundle.json, last: the hashes of the other files are in it."""
    made = BundleCard(
        liftune=version("liftune"),
        format="onnx-int8" if format == "onnx-int8" else "onnx",
        task=card.task,
        labels=card.labels,
        pairs=card.pairs,
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
        files={name: sha256_of_files(folder / name) for name in (MODEL, TOKENIZER)},
    )
    (folder / CARD).write_text(made.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    return made


def write_merged(classifier: Classifier, card: AdapterCard, folder: Path) -> None:
    """A folder for `from_pretrained`; liftune reads it as a run that was tuned in full."""
    model: Any = classifier.backbone.model
    with quiet():
        model.save_pretrained(folder)
        classifier.backbone.tokenizer.save_pretrained(folder)
    whole = card.model_copy(update={"method": "full"})
    (folder / ADAPTER_CARD).write_text(whole.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")


def write_page(folder: Path, card: AdapterCard, parity: Parity, *, name: str) -> None:
    """README.md: what this is, how to use it, how far its answers are from the run's."""
    if parity.format == "merged":
        use = (
            "```python\nfrom transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
            f'model = AutoModelForSequenceClassification.from_pretrained("{name}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{name}")\n```\n\n'
            f"Keep {card.max_length} tokens of a row: `tokenizer(text, truncation=True, max_length={card.max_length})`."
        )
    else:
        use = (
            "Needs no torch: `pip install 'liftune[runtime]'`.\n\n"
            f'```console\n$ liftune predict {name} "some text"\n'
            f"$ liftune predict {name} --in rows.csv --out answers.csv\n```"
        )
    labels = ", ".join(f"`{label}`" for label in card.labels) or "a number"
    lines = (
        f"# {name}",
        f"{card.base}, tuned by {card.method} with liftune {card.liftune}; exported as `{parity.format}`.",
        f"Answers {'text pairs' if card.pairs else 'texts'} with: {labels} ({card.task}).",
        "## Use",
        use,
        "## Checked",
        "```text\n" + "\n".join(parity.lines()) + "\n```",
        *(f"Beyond the tolerance, and accepted: {each}." for each in parity.excesses),
    )
    (folder / README).write_text("\n\n".join(lines) + "\n", encoding="utf-8")
