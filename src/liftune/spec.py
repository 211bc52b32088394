"""What is asked for: frozen, checked, written to disk beside the result.

In: options from the command line, Python or a TOML/JSON file.  Out: a RunSpec, or one SpecError that lists every fault.
Not here: what was found (record/), defaults that depend on the method (models/methods.py).
"""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from liftune.errors import SpecError, choose, faults
from liftune.records.upgrade import upgrade
from liftune.tasks.base import TaskKind

DEFAULT_DATA = "sample:emotions"
#: Stands for a source where rows are handed over in Python.
IN_MEMORY = "(rows in memory)"
DEFAULT_MODEL = "minilm"


def pairs(value: Any) -> Any:
    """'a=1,b=2' or ['a=1', 'b=2'] as a dict; anything else passes.

    >>> pairs("train=a,test=b")
    {'train': 'a', 'test': 'b'}
    """
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        for part in value:
            if "=" not in part:
                raise ValueError(f"{part!r} is not KEY=VALUE")
        return {key.strip(): text.strip() for key, text in (part.split("=", 1) for part in value)}
    return value


def numbers(value: Any) -> Any:
    """'0,1,2' or one number as a tuple; anything else passes.

    >>> numbers("0,1")
    ('0', '1')
    """
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    return (value,) if isinstance(value, int) else value


def names(value: Any) -> Any:
    """'a,b' as a tuple, 'none' as an empty one; anything else passes.

    >>> names("packing, bfloat16"), names("none")
    (('packing', 'bfloat16'), ())
    """
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if isinstance(value, list | tuple | set | frozenset):
        value = tuple(value)
        if "none" in value and len(value) > 1:
            raise ValueError("none stands alone, not beside names")
        return () if value == ("none",) else value
    return value


def once(values: tuple[int, ...]) -> tuple[int, ...]:
    """The values, if none occurs twice: a seed that is used again only repeats its numbers.

    >>> once((0, 1))
    (0, 1)
    """
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} is given twice")
    return values


def switched_off(value: Any) -> Any:
    """'none' for a number: zero.

    >>> switched_off("none"), switched_off("0.9")
    (0.0, '0.9')
    """
    return 0.0 if isinstance(value, str) and value.strip().casefold() == "none" else value


def similarity(value: float) -> float:
    """A threshold of similarity: zero for none, or 0.5 to 1; below a half, texts that share little would count."""
    if value != 0 and not 0.5 <= value <= 1:
        raise ValueError(f"a similarity from 0.5 to 1, or none, is wanted, not {value:g}")
    return value


Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Names = Annotated[tuple[str, ...], BeforeValidator(names)]
Pairs = Annotated[dict[str, str], BeforeValidator(pairs)]


class Spec(BaseModel):
    """Base of every spec: frozen, and strict about names."""

    # Built when first checked, so that `liftune --help` need not wait for it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, defer_build=True
    )

    @classmethod
    def checked(cls, values: dict[str, Any], *, where: str | None = None) -> Self:
        """Build, or raise one SpecError that lists every fault."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SpecError(
                "\n".join(faults(error, _option)), where=where, hint="give a value of the type and range named above"
            ) from None


def _option(path: tuple[str, ...]) -> str:
    """The field at a path, as the command line calls it where it is an option."""
    option = next((name for name, home in OPTIONS.items() if path[:2] == home), None)
    return f"--{option.replace('_', '-')}" if option else ".".join(path)


class DataSpec(Spec):
    """Which rows, and how to read them."""

    source: str = DEFAULT_DATA
    """A file, a folder, a hub id ID[:CONFIG][@REVISION], or sample:NAME."""
    task: TaskKind | None = None
    """single_label, multi_label or regression; recognised from the labels if not given."""
    text: str | None = None
    """Column that holds the text; found by its name if not given."""
    text_pair: str | None = None
    """Column that holds the second text of a pair."""
    label: str | None = None
    """Column that holds the label, the labels or the number."""
    train_rows: Positive | None = None
    """Tune on a stratified sample of this many rows; marks the run partial."""
    test_rows: Positive | None = None
    """Test on a stratified sample of this many rows; marks the run partial."""
    validation: str | None = None
    """A file of validation rows."""
    test: str | None = None
    """A file of test rows."""
    split: Pairs = {}
    """Which split is which: train=NAME,validation=NAME,test=NAME."""
    skip_bad_rows: bool = False
    """Drop and count rows without text or label instead of refusing them."""
    group: str | None = None
    """Column of an author or a document: its rows stay in one part and are resampled together."""
    near_duplicates: Annotated[float, BeforeValidator(switched_off), AfterValidator(similarity)] = 0.8
    """Least similarity, 0.5 to 1, of rows that count as near duplicates; none looks for none."""
    seed: Seed = 0
    """Seed of carving and sampling rows."""


class ModelSpec(Spec):
    """Which pretrained model."""

    name: str = DEFAULT_MODEL
    """minilm, a hub id ID[@REVISION], or a local folder."""
    label_map: Pairs = {}
    """The trained head's names for your labels: neg=NEGATIVE,pos=POSITIVE."""
    max_length: Positive | None = None
    """Tokens kept of each row; at most the model's own limit, 512 if not given."""
    device: str | None = None
    """cpu, cuda, cuda:1, mps; the best one here if not given."""
    trust_remote_code: bool = False
    """Run the code that comes with the model."""


class MethodSpec(Spec):
    """How to tune."""

    name: str = "lora"
    """Tuning method; `liftune list methods` prints them."""
    options: Annotated[dict[str, Any], BeforeValidator(pairs)] = {}
    """An option of the method, KEY=VALUE, such as rank=16; may be repeated."""


class TrainSpec(Spec):
    """How long and how fast to tune."""

    epochs: Positive | None = None
    """Passes over train at most; the best by validation is kept. By the number of rows if not given."""
    batch_size: Positive | None = None
    """Rows of one optimizer step; 16 if not given, and 32 at 1.4 times the rate from 10,000 train rows on."""
    lr: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Peak learning rate; the method's own if not given."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Share of the steps in which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """AdamW's, on matrices."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Gradients are scaled down to this norm."""
    patience: Positive | None = None
    """Epochs without a better validation score before training stops; a third of all, and at least 3, if not
    given."""
    head: Literal["fitted", "random"] = "fitted"
    """How a fresh head starts: fitted to what it reads of the frozen model, or random."""
    teacher_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of each target that comes from the stronger of tf-idf and probe, fitted without the row; 0 learns from
    labels alone."""
    class_weights: bool = False
    """Weigh each label by the inverse of its frequency in train."""
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(numbers), AfterValidator(once), Field(min_length=1)] = (0,)
    """Tune once a seed: 0,1,2."""
    accelerations: Names | None = None
    """What makes tuning fast, just these by name, or none; what suits the machine if not given. `liftune list
    accelerations` prints them."""


class EvalSpec(Spec):
    """What to compare, and by which measure."""

    metric: str | None = None
    """Chooses the epoch and decides the verdict; the task's own if not given."""
    with_full: bool = False
    """Add full fine-tuning to the ladder."""
    folds: Annotated[int, Field(ge=2, le=50)] | None = None
    """Answer every row out of fold, in this many folds, where test rows would be too few; then tune on all rows."""
    curve: bool = False
    """Tune on ever more of train too, to say whether more data or a bigger base is the next step; about doubles the
    time."""


class RunSpec(Spec):
    """Everything that `liftune tune` was asked for."""

    data: DataSpec = Field(default_factory=DataSpec)
    model: ModelSpec = Field(default_factory=ModelSpec)
    method: MethodSpec = Field(default_factory=MethodSpec)
    train: TrainSpec = Field(default_factory=TrainSpec)
    evaluation: EvalSpec = Field(default_factory=EvalSpec)
    out: str | None = None
    """Folder of the run; a new one under runs/ if not given."""

    @classmethod
    def of(cls, **options: Any) -> RunSpec:
        """A spec from flat options, named as on the command line; None means the default.

        >>> RunSpec.of(data="rows.csv", seeds="0,1", set=["rank=4"]).method.options
        {'rank': '4'}
        """
        values: dict[str, Any] = {}
        for name, value in options.items():
            choose(name, OPTIONS, "option")
            if value is not None:
                room, *field = OPTIONS[name]
                if field:
                    values.setdefault(room, {})[field[0]] = value
                else:
                    values[room] = value
        return cls.checked(values)

    @classmethod
    def read(cls, path: str | Path) -> RunSpec:
        """A spec from a TOML or JSON file, of this or an earlier version."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
            raise SpecError(
                f"cannot read the spec: {error}", where=str(path), hint="give a TOML or JSON file"
            ) from None
        return cls.checked(upgrade(values, "spec") if isinstance(values, dict) else values, where=str(path))


def _options() -> dict[str, tuple[str, ...]]:
    """Option -> where it lives in a RunSpec, read off the specs themselves."""
    called = {("data", "source"): "data", ("data", "seed"): "split_seed", ("model", "name"): "model"}
    called |= {("method", "name"): "method", ("method", "options"): "set"}
    homes: dict[str, tuple[str, ...]] = {}
    for room, info in RunSpec.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
            for field in info.annotation.model_fields:
                homes[called.get((room, field), field)] = (room, field)
        else:
            homes[room] = (room,)
    return homes


#: Every option of `tune` -> its place in a RunSpec. The command line and `liftune.tune` share these names.
OPTIONS = _options()


def command_line(spec: RunSpec) -> str:
    """The `liftune tune` line that asks for this spec; what is as by default is left out.

    >>> command_line(RunSpec.of(data="my rows.csv", seeds="0,1", set=["rank=4"], with_full=True))
    "liftune tune 'my rows.csv' --set rank=4 --seeds 0,1 --with-full"
    """
    words = ["liftune", "tune"]
    for name, (room, *field) in OPTIONS.items():
        home = getattr(spec, room) if field else spec
        asked = field[0] if field else room
        value, default = getattr(home, asked), type(home).model_fields[asked].get_default(call_default_factory=True)
        option = f"--{name.replace('_', '-')}"
        if name == "data":
            words.append(str(value))
        elif value == default:
            continue
        elif isinstance(value, bool):
            words.append(option)
        elif name == "set":
            words += [word for key, each in value.items() for word in (option, f"{key}={each}")]
        else:
            words += [option, _as_text(value)]
    return shlex.join(words)


def _as_text(value: Any) -> str:
    """An option's value as it is typed."""
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in value.items())
    return (",".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)
