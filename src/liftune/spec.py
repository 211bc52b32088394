"""The options of a run: frozen, checked, written to disk beside the result.

In: options from the command line, Python or a TOML/JSON file.  Out: a RunSpec, or one SpecError that lists every fault.
Not here: what a typed value means (option_values.py), results (records/), defaults that depend on the method
(models/methods/registry.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from liftune.addresses import is_address
from liftune.addresses import shown as shown_address
from liftune.errors import SpecError, choose
from liftune.option_files import read_settings
from liftune.option_values import (
    AUTO_FOLDS,
    Columns,
    Costs,
    HeldPlace,
    NamedPlaces,
    Names,
    Pairs,
    Place,
    Positive,
    Seed,
    automatic,
    merges,
    numbers,
    once,
    pairs,
    several,
    similarity,
    switch,
    switched_off,
)
from liftune.option_values import IN_MEMORY as IN_MEMORY
from liftune.spec_base import Spec
from liftune.tasks import TaskKind
from liftune.types import Pooling

DEFAULT_DATA = "sample:emotions"
DEFAULT_MODEL = "minilm"
#: How frozen weights may be held otherwise than as the numbers that they are.
BasePrecision = Literal["4bit"]
#: What may be asked for texts that are longer than the model reads: a rule (types.LongRule), or to choose one.
Long = Literal["cut", "head-tail", "windows", "auto"]


class DataSpec(Spec):
    """The data, and how to read them."""

    source: Place = DEFAULT_DATA
    """A file, a folder, a hub id `ID[:CONFIG][@REVISION]`, sample:NAME, or an address: s3://, gs://, https://,
    hf://."""
    task: Annotated[
        TaskKind | None,
        Field(description=f"Kind of task: {', '.join(TaskKind)}. Default: inferred from the labels."),
    ] = None
    text: Columns = None
    """Column with the text, or several to join: subject,body. Default: found by its name, else by its content."""
    text_pair: str | None = None
    """Column with the second text of a pair."""
    label: Columns = None
    """Column with the label, the list of labels or the number; or several columns of 0 and 1, each a label:
    toxic,obscene,threat. Default: found by its name, else by its content."""
    label_separator: Annotated[str | None, Field(min_length=1)] = None
    """What separates the labels in a cell, such as ; or a comma. Default: the bar of "joy|fear" alone."""
    label_threshold: float | None = None
    """A row has each label whose share or score is at least this."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark of labels that are numbers: . reads 1,250.5 and , reads 1.250,5. Default: as the numbers show."""
    label_names: Annotated[tuple[str, ...], BeforeValidator(several)] = ()
    """Names of the labels that the data only number, from 0 on, or give as positions in a list of 0 and 1: joy,fear."""
    merge_labels: Annotated[Names, AfterValidator(merges)] = ()
    """Make one label of several spellings that differ in case, space, unicode (forms of one character, invisible ones),
    punctuation (neg, neg*, "neg."; not_ok, not-ok), notes (neg beside neg (unsure), neg - check), truth (true, yes, 1)
    or number (7, 007, 7.0): any of case,space,unicode,punctuation,notes,truth,number."""
    train_rows: Positive | None = None
    """Train on a stratified sample of this many rows. The report marks such a run as partial."""
    test_rows: Positive | None = None
    """Test on a stratified sample of this many rows. The report marks such a run as partial."""
    validation: Place | None = None
    """File with the validation rows."""
    test: Place | None = None
    """File with the test rows."""
    split: Pairs = {}
    """Which part of the data has which role: train=NAME,validation=NAME,test=NAME,unused=NAME. NAME+OTHER joins two
    parts. If a column names the parts, these are the names in it."""
    split_column: str | None = None
    """Column that names each row's part, or none. Default: found by its name and what it holds."""
    skip_bad_rows: bool = False
    """Drop rows without text or label, and report how many, instead of stopping."""
    fill_down: Columns = None
    """Columns in which a blank cell has the value of the row above it, as where merged cells were lost: Category."""
    encoding: str | None = None
    """Encoding of the files: utf-8, cp1252, utf-16, ... Default: UTF-8, or what the bytes show to be another one."""
    no_header: bool = False
    """The first line of a CSV or TSV file is a row, and names no columns."""
    columns: Names = ()
    """Names of the columns, in order, of files without a header line: text,label."""
    skip_lines: Annotated[int, Field(ge=0)] | None = None
    """Leave out this many lines at the start of a CSV, TSV or workbook, such as a title. Default: as many as stand
    above the header."""
    group: str | None = None
    """Column with the author, document or other group. Rows of a group stay in the same split and are resampled
    together."""
    slices: Columns = None
    """Columns by whose values the test rows are scored in slices, each tested against the other rows: lang,source.
    Numbers of many values are divided into ranges."""
    near_duplicates: Annotated[float, BeforeValidator(switched_off), AfterValidator(similarity)] = 0.8
    """Similarity, 0.5 to 1, from which on two rows count as near duplicates. none: do not look for them."""
    seed: Seed = 0
    """Seed for splitting and sampling rows."""


class ModelSpec(Spec):
    """The pretrained model."""

    name: Place = DEFAULT_MODEL
    """minilm, a hub id `ID[@REVISION]`, or a local folder."""
    label_map: Pairs = {}
    """Your labels and the names that the model has for them: neg=NEGATIVE,pos=POSITIVE."""
    max_length: Positive | None = None
    """Longest input in tokens; of longer rows, see --long. Default: 512, or the model's limit if lower; more where more
    than 5% of train is longer, the model reads it and memory allows."""
    long: Long | None = None
    """What is read of texts that are longer: cut (their beginning), head-tail (first and last part), windows (all, in
    windows that overlap), or auto. Default: auto."""
    window_overlap: Positive | None = None
    """Tokens that neighbouring windows of a long text share. Default: a quarter of --max-length."""
    window_pooling: Pooling | None = None
    """How the answers of a text's windows become one: mean, or max (the greatest of each label). Default: mean."""
    device: str | None = None
    """cpu, cuda, cuda:1 or mps. Default: the best one on this machine."""
    base_precision: BasePrecision | None = None
    """Hold the model's frozen layers in four bits: 4bit. It takes a seventh of their memory, and needs liftune[quant].
    Default: their own numbers, in the precision that suits the machine."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""

    @field_validator("window_overlap", "window_pooling")
    @classmethod
    def _of_windows(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse what is said of windows where there will be none."""
        rule = info.data.get("long")
        if value is not None and rule in ("cut", "head-tail"):
            raise ValueError(f"is for windows, and --long is {rule}: leave it out, or give --long windows")
        return value


class MethodSpec(Spec):
    """How to tune."""

    name: str = "lora"
    """Tuning method. `liftune list methods` lists them."""
    options: Annotated[dict[str, Any], BeforeValidator(pairs)] = {}
    """Set an option of the method: KEY=VALUE, such as rank=16. May be repeated."""
    start: Place | None = None
    """Go on from this run's tuned adapter: a run, or its adapter folder. Base and method are those of that run; labels
    that the data add are added to the model."""
    replay: HeldPlace | None = None
    """With --start, old rows to train on beside the new ones, so that they are not forgotten: auto, all, none, or a
    file. Default: auto, those of that run where its data can be read again, at most as many as the new rows, or 2,000.
    """


class TrainSpec(Spec):
    """Training."""

    epochs: Positive | None = None
    """Maximum number of epochs; the best one on validation is kept. Default: depends on the number of train rows."""
    batch_size: Positive | None = None
    """Rows per optimizer step. Default: 16; from 10,000 train rows on 32, with 1.4 times the default learning rate."""
    lr: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Peak learning rate. Default: the method's."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.06
    """Share of the steps with linear warm-up."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW, for matrices only."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Clip gradients to this norm."""
    patience: Positive | None = None
    """Stop after this many epochs without a better validation score. Default: a third of the epochs, at least 3."""
    head: Literal["fitted", "random"] = "fitted"
    """Initial weights of a new classification head: fitted by a linear model on frozen features, or random."""
    teacher_share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Weight of soft labels in each target: out-of-fold predictions of the better of tf-idf and probe. 0: labels
    only."""
    class_weights: bool = False
    """Weight each label by its inverse frequency in train."""
    few: Annotated[Literal["auto", "on", "off"], BeforeValidator(switch)] = "auto"
    """Start the encoder from pairs of rows, for few rows a label. auto: with up to 64 rows a label, where
    cross-validation on train says that it helps, or there are 128 rows at most. on: take it. off: never."""
    seeds: Annotated[tuple[Seed, ...], BeforeValidator(numbers), AfterValidator(once), Field(min_length=1)] = (0,)
    """Train once for each of these seeds: 0,1,2."""
    accelerations: Names | None = None
    """Use exactly these accelerations, or none. Default: those that suit the machine. `liftune list
    accelerations` lists them."""


class EvalSpec(Spec):
    """What to compare, and by which metric."""

    metric: str | None = None
    """Metric that selects the epoch and decides the verdict. Default: depends on the task."""
    with_full: bool = False
    """Also run full fine-tuning, for comparison."""
    margin: float | None = None
    """Also test whether the tuned model is not worse than the others by this much or more: points of accuracy, else
    the metric's own unit."""
    folds: Annotated[Literal["auto"] | int | None, BeforeValidator(automatic)] = AUTO_FOLDS
    """Cross-validate in N folds, so that every row is a test row; then tune on all rows. auto: only with fewer than
    500 rows, none of them given as validation or test. none: never."""
    curve: bool = False
    """Also train on growing parts of train, to estimate whether more data or a larger model would help. About doubles
    the time."""
    answers: NamedPlaces = {}
    """Labels that someone or something else gave to rows of the data, as a contender of that name: gpt=FILE. Rows are
    found by a column of ids or by their texts. May be repeated."""
    cost: Costs = {}
    """What one row costs such a contender, in any currency: gpt=0.002. May be repeated."""
    zero_shot: Place | None = None
    """Also score a model that needs no training here, such as minilm: an NLI model by entailment, an encoder by
    similarity, a decoder by likelihood. likelihood:MODEL, say, chooses the way."""
    describe: HeldPlace | None = None
    """File with a description of each label for it: JSON or TOML of label = text, or a table with the columns label and
    description. Default: the labels' names."""


class RunSpec(Spec):
    """All options of `liftune tune`."""

    data: DataSpec = Field(default_factory=DataSpec)
    model: ModelSpec = Field(default_factory=ModelSpec)
    method: MethodSpec = Field(default_factory=MethodSpec)
    train: TrainSpec = Field(default_factory=TrainSpec)
    evaluation: EvalSpec = Field(default_factory=EvalSpec)
    out: Place | None = None
    """Folder for the run. Default: a new one under runs/."""

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
                section, *field = OPTIONS[name]
                if field:
                    values.setdefault(section, {})[field[0]] = value
                else:
                    values[section] = value
        return cls.checked(values)

    @classmethod
    def named(cls, path: tuple[str, ...]) -> str:
        """By its name on the command line, where it is an option."""
        option = next((name for name, place in OPTIONS.items() if path[:2] == place), None)
        if option == "data":
            return "DATA"
        return f"--{option.replace('_', '-')}" if option else super().named(path)

    @classmethod
    def read(cls, path: str | Path) -> RunSpec:
        """A spec from a TOML or JSON file, of this or an earlier version."""
        return cls.checked(read_values(path), where=str(path))


def read_values(path: str | Path) -> Any:
    """What a TOML or JSON file holds, under today's names; nothing of it is checked.

    Raises:
        SpecError: it cannot be read.
    """
    from liftune.records.upgrade import upgrade  # `liftune --help` need not wait for it

    if is_address(path):
        raise SpecError(
            "a file of options is read from a disk alone",
            where=shown_address(path),
            hint="bring it here, and give its path",
        )
    values = read_settings(Path(path))
    return upgrade(values, "spec") if isinstance(values, dict) else values


def _options() -> dict[str, tuple[str, ...]]:
    """Option -> its place in a RunSpec, read off the specs themselves."""
    renamed = {("data", "source"): "data", ("data", "seed"): "split_seed", ("model", "name"): "model"}
    renamed |= {("method", "name"): "method", ("method", "options"): "set"}
    places: dict[str, tuple[str, ...]] = {}
    for section, info in RunSpec.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, Spec):
            for field in info.annotation.model_fields:
                places[renamed.get((section, field), field)] = (section, field)
        else:
            places[section] = (section,)
    return places


#: Every option of `tune` -> its place in a RunSpec. The command line and `liftune.tune` share these names.
OPTIONS = _options()
