"""What is asked for: frozen, checked, written to disk beside the result.

In: options from the command line, Python or a TOML/JSON file.  Out: a RunSpec, or one SpecError that lists every fault.
Not here: what was found (record.py), defaults that depend on the method (models/methods.py).
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from liftune.errors import SpecError
from liftune.task import TaskKind

DEFAULT_DATA = "sample:emotions"
DEFAULT_MODEL = "minilm"

Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Spec(BaseModel):
    """Base of every spec: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls, values: dict[str, Any], *, where: str | None = None) -> Self:
        """Build, or raise one SpecError that lists every fault."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecError(faults(error), where=where, mend="give values of the type and range named above") from None


def faults(error: ValidationError) -> str:
    """Every fault of a validation, one a line: which field, what is wrong, what was given."""
    lines = []
    for fault in error.errors():
        field = ".".join(str(part) for part in fault["loc"]) or "value"
        given = "" if fault["type"] == "missing" else f", got {fault['input']!r}"
        lines.append(f"{field}: {fault['msg'][:1].lower()}{fault['msg'][1:]}{given}")
    return "\n".join(lines)


class DataSpec(Spec):
    """Which rows, and how to read them."""

    source: str = DEFAULT_DATA
    """A file, a folder, a hub id `ID[:CONFIG][@REVISION]`, or `sample:NAME`."""
    task: TaskKind | None = None
    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    train_rows: Positive | None = None
    test_rows: Positive | None = None
    validation: str | None = None
    test: str | None = None
    split: dict[str, str] = {}
    """Role (train, validation, test) -> name of the split or file stem in the source."""
    skip_bad_rows: bool = False
    seed: Seed = 0
    """Of carving and sampling; not of training."""


class ModelSpec(Spec):
    """Which pretrained model."""

    name: str = DEFAULT_MODEL
    """An alias, a hub id with optional `@REVISION`, or a local folder."""
    label_map: dict[str, str] = {}
    """Data label -> the head's name for it."""
    max_length: Positive | None = None
    """Tokens kept of each row; None takes what the data need, up to 512 or the model's own limit."""
    device: str | None = None
    trust_remote_code: bool = False


class MethodSpec(Spec):
    """How to tune."""

    name: str = "lora"
    options: dict[str, Any] = {}
    """The method's own options; models/methods.py checks names, types and ranges."""


class TrainSpec(Spec):
    """How long and how fast to tune."""

    epochs: Positive | None = None
    batch_size: Positive = 16
    lr: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Peak learning rate; None takes the method's default."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.06
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    patience: Positive = 2
    """Epochs without a better validation score before training stops."""
    class_weights: bool = False
    """Weigh each label by the inverse of its frequency in train."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)


class EvalSpec(Spec):
    """What to compare, and by which measure."""

    metric: str | None = None
    """Chooses the epoch and decides the verdict; None takes the task's default."""
    with_full: bool = False


class RunSpec(Spec):
    """Everything that `liftune tune` was asked for."""

    data: DataSpec = DataSpec()
    model: ModelSpec = ModelSpec()
    method: MethodSpec = MethodSpec()
    train: TrainSpec = TrainSpec()
    evaluation: EvalSpec = EvalSpec()
    out: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> RunSpec:
        """A spec from a TOML or JSON file."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
            raise SpecError(
                f"cannot read the spec: {error}", where=str(path), mend="give a TOML or JSON file"
            ) from None
        return cls.checked(values, where=str(path))
