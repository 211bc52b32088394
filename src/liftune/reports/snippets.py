"""How to use a tuned model without liftune: in transformers' pipelines and in PEFT, as code that is filled in.

In: the card of an adapter or of a whole model, where it is.  Out: Markdown with Python that runs as it is printed.
Not here: the rest of the model card (model_card.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from liftune.models.checkpoint import ALIASES
from liftune.models.methods.registry import METHODS
from liftune.records.training import FOUR_BITS, AdapterCard
from liftune.tasks import task_of

_TEXT, _SECOND = "some text", "another text"
#: What transformers calls a kind's outputs -> how probabilities are made of logits; of others they are the answer.
_FUNCTIONS = {
    "single_label_classification": ".softmax(-1)",
    "multi_label_classification": ".sigmoid()",
}
#: transformers guesses it for several labels, of which one is right.
_GUESSED = "single_label_classification"


def usage(card: AdapterCard, place: str) -> list[str]:
    """Paragraphs and blocks of code.

    Args:
        place: the folder as seen from where the code runs, or its hub id.
    """
    if card.method not in METHODS:
        return []
    whole, pipelines = METHODS[card.method].kind == "full", METHODS[card.method].pipelines
    said = ["A plain transformers model:" if whole else "A plain PEFT adapter with its tokenizer. In transformers:"]
    if pipelines:
        said[0] += "" if whole else " (It reports the head as missing in the base; the adapter brings it.)"
        said.append(_python(_pipeline(card, place, whole=whole)))
    else:
        said = [
            f"A plain PEFT adapter with its tokenizer. transformers' `pipeline` cannot read adapters of {card.method} "
            "rightly; with PEFT:"
        ]
    if not whole:
        said += ["With PEFT:"] if pipelines else []
        said.append(_python(_with_peft(card, place)))
    if card.thresholds is not None:
        from_on = ", ".join(
            f"{_code(name)} {each:.4g}" for name, each in zip(card.labels, card.thresholds, strict=True)
        )
        said.append(f"liftune predicts a label from this probability on: {from_on}.")
    said += long_texts_outside(card)
    return said


def _pipeline(card: AdapterCard, place: str, *, whole: bool) -> list[str]:
    arguments = [f"model={_quoted(place)},", *_trust(card)]
    settings = {} if whole else _settings(card)
    if (tokens := _tokenizer(card, place, whole=whole)) != place:
        arguments.append(f"tokenizer={_quoted(tokens)},")
    if settings:
        arguments += ["model_kwargs={", *(f'    "{name}": {value},' for name, value in settings.items()), "},"]
    return [
        *(["import torch"] if card.base_precision and not whole else []),
        f"from transformers import {_quantiser(card) if not whole else ''}pipeline",
        "",
        *_labels(card, settings),
        "classify = pipeline(",
        '    "text-classification",',
        *(f"    {each}" for each in arguments),
        ")",
        f"answers = classify({pipeline_row(card)}, top_k=None, truncation=True, max_length={card.max_length})",
    ]


def long_texts_outside(card: AdapterCard) -> tuple[str, ...]:
    """What code outside of liftune does otherwise with long texts, where it is not what it does: it cuts them."""
    if card.long == "head-tail":
        how = "their first and last part: a quarter from the beginning, the rest from the end"
    elif card.long == "windows":
        pooled = "greatest logit of each label" if card.window_pooling == "max" else "mean of their logits"
        how = f"them in windows of {card.max_length} tokens that share {card.window_overlap}, and takes the {pooled}"
    else:
        return ()
    return (
        f"Texts of more than {card.max_length} tokens: liftune reads {how}. These files do not hold that: "
        "transformers, PEFT and other servers read the beginning alone, and give such texts other answers. "
        "`liftune predict`, `liftune serve` and exported bundles read them as they were tuned.",
    )


def pipeline_row(card: AdapterCard) -> str:
    """A row, as code, in the form in which a pipeline takes it."""
    return f'{{"text": "{_TEXT}", "text_pair": "{_SECOND}"}}' if card.pairs else f'"{_TEXT}"'


def _with_peft(card: AdapterCard, place: str) -> list[str]:
    settings = _settings(card)
    texts = f'"{_TEXT}", "{_SECOND}"' if card.pairs else f'"{_TEXT}"'
    tokens = _quoted(_tokenizer(card, place, whole=False))
    function = _FUNCTIONS.get(task_of(card.task).problem_type, "")
    return [
        "import torch",
        "from peft import AutoPeftModelForSequenceClassification",
        f"from transformers import AutoTokenizer{', BitsAndBytesConfig' if card.base_precision else ''}",
        "",
        *_labels(card, settings),
        "model = AutoPeftModelForSequenceClassification.from_pretrained(",
        f"    {_quoted(place)},",
        *(f"    {each}" for each in _trust(card)),
        *(f"    {name}={value}," for name, value in settings.items()),
        ")",
        f"tokenizer = AutoTokenizer.from_pretrained({', '.join([tokens, *_trusted(card)])})",
        f'tokens = tokenizer({texts}, truncation=True, max_length={card.max_length}, return_tensors="pt")',
        "with torch.inference_mode():",
        f"    answers = model(**tokens).logits{function}[0].tolist()",
    ]


def _quantiser(card: AdapterCard) -> str:
    return "BitsAndBytesConfig, " if card.base_precision else ""


def _settings(card: AdapterCard) -> dict[str, str]:
    """Keyword -> its value as code: labels and task, and what else the base's own files say otherwise."""
    fields: dict[str, Any] = task_of(card.task).config_fields(card.labels)
    if fields["problem_type"] == _GUESSED and fields["num_labels"] > 1:
        del fields["problem_type"]
    fields |= card.config_changes
    settings = {name: _quoted(value) if isinstance(value, str) else repr(value) for name, value in fields.items()}
    if card.base_precision:
        held = [f"{name}={_quoted(value) if isinstance(value, str) else value}" for name, value in FOUR_BITS.items()]
        kept = f"llm_int8_skip_modules=[{', '.join(map(_quoted, card.base_kept))}]"
        held += ["bnb_4bit_compute_dtype=torch.float32", kept]
        settings["quantization_config"] = f"BitsAndBytesConfig({', '.join(held)})"
    if card.labels:
        settings |= {
            "num_labels": "len(labels)",
            "id2label": "dict(enumerate(labels))",
            "label2id": "{label: i for i, label in enumerate(labels)}",
        }
    return settings


def _labels(card: AdapterCard, settings: dict[str, str]) -> Sequence[str]:
    return [f"labels = [{', '.join(map(_quoted, card.labels))}]"] if card.labels and settings else []


def _tokenizer(card: AdapterCard, place: str, *, whole: bool) -> str:
    """Where it is: with the model, or with the base of an adapter that has none, as liftune wrote them at first."""
    if whole or "tokenizer_config.json" in card.files:
        return place
    return ALIASES[card.base].hub_id if card.base in ALIASES else card.base


def _trusted(card: AdapterCard) -> Sequence[str]:
    return ["trust_remote_code=True"] if card.trust_remote_code else []


def _trust(card: AdapterCard) -> Sequence[str]:
    return [f"{each}," for each in _trusted(card)]


def _quoted(text: str) -> str:
    """A literal of Python, in double quotes where that can be."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)


def _python(lines: Sequence[str]) -> str:
    return "\n".join(("```python", *lines, "```"))


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("\n", " ") + "`"
