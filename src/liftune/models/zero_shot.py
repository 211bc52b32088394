"""A pretrained model that answers without training: by entailment, by similarity, or by likelihood.

In: a model's name, a description for each label.  Out: a Scorer; which way was taken, and why.
Not here: the descriptions (data/descriptions.py), how it is scored (evaluation/).

    entailment   an NLI model: how surely a text entails "This text is about {label}." Yin, Hay and Roth (2019)
    similarity   an encoder: the cosine between a text's vector and the description's, times 20
    likelihood   a decoder: the mean log-probability of the label's tokens after the text. Brown et al. (2020)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PretrainedConfig

from liftune.errors import ModelError, SpecError
from liftune.files import read_json_object
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.checkpoint import Checkpoint, find_file, locate
from liftune.models.classifier import Classifier
from liftune.models.families import length_limit
from liftune.models.pretrained import as_model_error, config_of, quiet, tokenizer_of
from liftune.models.zero_shot_ways import OPTION, WAYS, Asked, Way
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind
from liftune.types import Row

#: What an NLI model is asked, and how a decoder goes on after a text.
HYPOTHESIS, GOES_ON = "This text is about {}.", "\nThis text is about"
#: As sentence-transformers scales cosines for a softmax.
_SCALE = 20.0
#: Rows whose pairs with all labels are made at once.
_ROWS = 256
_SENTENCE = re.compile(r"[.!?]\s*$")


class ZeroShot:
    """A Scorer whose labels are descriptions.

    Args:
        way: how it answers.
        why: what of the model decided that, in words.
        others: the other ways that it could take.
    """

    def __init__(self, way: Way, why: str, others: tuple[Way, ...], scorer: Any) -> None:
        self.way, self.why, self.others, self._scorer = way, why, others, scorer

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C), a column a description."""
        texts = [row if isinstance(row, str) else "\n".join(row) for row in rows]
        found: NDArray[np.float32] = self._scorer.logits(texts)
        return found


def load_zero_shot(given: str, descriptions: Sequence[str], plan: Plan, *, trust_remote_code: bool = False) -> ZeroShot:
    """Load a model for these descriptions.

    Args:
        given: MODEL, or WAY:MODEL.
        descriptions: of C labels.

    Raises:
        ModelError: it cannot be loaded, or cannot answer in that way.
    """
    asked = Asked.of(given)
    checkpoint = locate(asked.model, option=OPTION)
    with quiet(), as_model_error(checkpoint):
        config = _config(checkpoint, trust_remote_code)
    way, why = way_of(config, checkpoint)
    if asked.way is not None and asked.way != way:
        way, why = asked.way, "as asked"
    spec = ModelSpec(name=asked.model, trust_remote_code=trust_remote_code)
    scorer: Any
    if way == "entailment":
        scorer = _Entailment(spec, config, checkpoint, descriptions, plan)
    elif way == "similarity":
        scorer = _Similarity(spec, checkpoint, descriptions, plan)
    else:
        scorer = _Likelihood(config, checkpoint, descriptions, plan, trust_remote_code)
    can = {"entailment": entailment_of(config) is not None, "similarity": True, "likelihood": _goes_on(config)}
    return ZeroShot(way, why, tuple(each for each in WAYS if can[each] and each != way), scorer)


def _config(checkpoint: Checkpoint, trust_remote_code: bool) -> PretrainedConfig:
    from transformers import AutoConfig

    config: PretrainedConfig = AutoConfig.from_pretrained(
        checkpoint.source, revision=checkpoint.revision, trust_remote_code=trust_remote_code
    )
    return config


def entailment_of(config: PretrainedConfig) -> int | None:
    """The output that says that a premise entails a hypothesis; None where no name, or more than one, says so."""
    names = {i: str(name).casefold() for i, name in (config.id2label or {}).items()}
    found = [i for i, name in names.items() if name.startswith("entail") or name == "e"]
    return int(found[0]) if len(found) == 1 and len(names) > 1 else None


def way_of(config: PretrainedConfig, checkpoint: Checkpoint) -> tuple[Way, str]:
    """How a model of this kind answers, and why so."""
    named = " ".join(config.architectures or ())
    if "SequenceClassification" in named and entailment_of(config) is not None:
        return "entailment", "one of its labels is entailment"
    if find_file(checkpoint, "modules.json", fetch=True) is not None:
        return "similarity", "it is saved as a sentence embedder"
    if _goes_on(config):
        return "likelihood", "it is a language model"
    return "similarity", "it is an encoder without a head for entailment"


def _goes_on(config: PretrainedConfig) -> bool:
    """Whether the model was saved with a head that goes on after a text."""
    named = " ".join(config.architectures or ())
    return "CausalLM" in named or "LMHeadModel" in named


class _Entailment:
    """Log-odds that a text entails what is said of it, (N, C)."""

    def __init__(
        self,
        spec: ModelSpec,
        config: PretrainedConfig,
        checkpoint: Checkpoint,
        descriptions: Sequence[str],
        plan: Plan,
    ) -> None:
        entailed = entailment_of(config)
        if entailed is None:
            known = ", ".join(map(str, (config.id2label or {}).values()))
            raise ModelError(
                f"{checkpoint.name} has no label that says entailment: {known}",
                where=OPTION,
                hint=f"name it in id2label of its config.json, or compare texts: --zero-shot similarity:{spec.name}",
            )
        names: dict[Any, str] = dict(config.id2label or {})
        labels = tuple(str(names[i]) for i in sorted(names))
        backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=labels, seed=0, plan=plan)
        self._entailed = backbone.labels.index(labels[entailed])
        self._classifier = attach(backbone, None, plan=plan)
        self._hypotheses = [hypothesis(each) for each in descriptions]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Each text with each hypothesis."""
        found = [self._of(texts[start : start + _ROWS]) for start in range(0, len(texts), _ROWS)]
        return np.concatenate(found) if found else np.zeros((0, len(self._hypotheses)), dtype=np.float32)

    def _of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        pairs: list[Row] = [(text, each) for text in texts for each in self._hypotheses]
        logits = self._classifier.logits(pairs).astype(np.float64)
        others = np.delete(logits, self._entailed, axis=1)
        odds = logits[:, self._entailed] - np.logaddexp.reduce(others, axis=1)
        return np.asarray(odds.reshape(len(texts), len(self._hypotheses)), dtype=np.float32)


def hypothesis(description: str) -> str:
    """What is said of a text: the description itself where it is a sentence, else the template with it.

    >>> hypothesis("sports"), hypothesis("The writer is angry.")
    ('This text is about sports.', 'The writer is angry.')
    """
    return description if _SENTENCE.search(description) else HYPOTHESIS.format(description)


class _Similarity:
    """Cosine of texts and descriptions, scaled, (N, C)."""

    def __init__(self, spec: ModelSpec, checkpoint: Checkpoint, descriptions: Sequence[str], plan: Plan) -> None:
        with quiet(), as_model_error(checkpoint):
            config_of(checkpoint, spec.trust_remote_code)
        backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0, plan=plan)
        self._classifier: Classifier = attach(backbone, None, plan=plan)
        self._pooling = _pooling(checkpoint)
        self._descriptions = self._vectors(descriptions)

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        vectors = self._classifier.features(list(texts))[self._pooling].astype(np.float64)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Each text with each description."""
        if not texts:
            return np.zeros((0, len(self._descriptions)), dtype=np.float32)
        return np.asarray(_SCALE * self._vectors(texts) @ self._descriptions.T, dtype=np.float32)


def _pooling(checkpoint: Checkpoint) -> str:
    """Which state of a text is its vector: as sentence-transformers saved it, else the mean."""
    path = find_file(checkpoint, "1_Pooling/config.json", fetch=True)
    fields = read_json_object(path, hint="restore the file") if path is not None else {}
    if fields.get("pooling_mode_cls_token"):
        return "first"
    return "last" if fields.get("pooling_mode_lasttoken") else "mean"


class _Likelihood:
    """Mean log-probability of a description's tokens after a text, (N, C)."""

    def __init__(
        self,
        config: PretrainedConfig,
        checkpoint: Checkpoint,
        descriptions: Sequence[str],
        plan: Plan,
        trust_remote_code: bool,
    ) -> None:
        if not _goes_on(config):
            raise ModelError(
                f"{checkpoint.name} ({config.model_type}) is no language model that goes on after a text",
                where=OPTION,
                hint=f"compare texts with it: --zero-shot similarity:{checkpoint.name}; or give a decoder",
            )
        with quiet(), as_model_error(checkpoint):
            self._tokenizer = tokenizer_of(checkpoint, trust_remote_code)
            auto: Any = AutoModelForCausalLM
            self._model = auto.from_pretrained(
                checkpoint.source,
                revision=checkpoint.revision,
                trust_remote_code=trust_remote_code,
                use_safetensors=True,
                dtype=torch.float32,
            )
        self._device = plan.device
        self._model.to(plan.device).eval()
        self._model.config.use_cache = True
        bare = {"add_special_tokens": False}
        self._goes_on: list[int] = self._tokenizer(GOES_ON, **bare)["input_ids"]
        self._words: list[list[int]] = [self._tokenizer(f" {each}", **bare)["input_ids"] for each in descriptions]
        if any(not each for each in self._words):
            raise SpecError("a description has no token that the model reads", where="--describe", hint="write words")
        longest = max(map(len, self._words))
        self._room = length_limit(self._model, self._tokenizer, None) - len(self._goes_on) - longest
        if self._room < 1:
            raise ModelError(
                f"descriptions of up to {longest} tokens leave the model no room for a text",
                where="--describe",
                hint="write shorter ones",
            )

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A text is read once, and then all descriptions after it, in one batch."""
        found = np.zeros((len(texts), len(self._words)), dtype=np.float32)
        with torch.inference_mode():
            for i, text in enumerate(texts):
                found[i] = self._of(text)
        return found

    def _of(self, text: str) -> NDArray[np.float32]:
        start = self._tokenizer(text, truncation=True, max_length=self._room)["input_ids"]
        context = torch.tensor([[*start, *self._goes_on]], device=self._device)
        read = self._model(input_ids=context, use_cache=True)
        first = torch.log_softmax(read.logits[0, -1].float(), dim=-1)
        width, count = max(map(len, self._words)), len(self._words)
        pad = self._words[0][0]
        tokens = torch.tensor([[*each, *[pad] * (width - len(each))] for each in self._words], device=self._device)
        lengths = torch.tensor([len(each) for each in self._words], device=self._device)
        sums = first[tokens[:, 0]]
        if width > 1:
            cache = read.past_key_values
            cache.batch_repeat_interleave(count)
            logits = self._model(input_ids=tokens[:, :-1], past_key_values=cache, use_cache=True).logits.float()
            each = torch.log_softmax(logits, dim=-1).gather(2, tokens[:, 1:, None])[:, :, 0]
            seen = torch.arange(1, width, device=self._device)[None, :] < lengths[:, None]
            sums = sums + (each * seen).sum(dim=1)
        return np.asarray((sums / lengths).cpu().numpy(), dtype=np.float32)
