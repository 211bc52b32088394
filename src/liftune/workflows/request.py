"""The options and the rows of a run, checked as far as it can be done without torch.

In: a RunSpec, and rows where they are in memory already.  Out: a TuneRequest.
Not here: the model and the machine (preparing.py), reading files (liftune.data).

Torch takes seconds to import. Liftune refuses wrong options, folders and rows before that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from liftune.addresses import short_name
from liftune.data.answer_rows import KeptIds
from liftune.data.answers import Answers, check_source, coverage_notes, read_answers, where_of
from liftune.data.descriptions import Descriptions, check_descriptions, names_as_words, read_descriptions
from liftune.data.folds import Folds
from liftune.data.load import RowsInMemory, load_data, load_data_or_folds, load_folds, parts_asked
from liftune.data.readers.memory import TablesInMemory
from liftune.data.splits import Splits
from liftune.errors import EXTRAS, DataError, SpecError, nearest, need
from liftune.hardware.accelerations import check_accelerations
from liftune.metrics.registry import METRICS, check_metric, margin_in_own_unit, metrics_of
from liftune.models.checkpoint import locate
from liftune.models.methods.registry import Method, check_four_bits, find_method, parse_options
from liftune.models.zero_shot_ways import check_model
from liftune.option_values import AUTO_FOLDS, ZERO_SHOT
from liftune.reports.sections.coverage import coverage_sentences
from liftune.reports.sections.power import HINTED_FOLDS, cost_of_folds, power_before, testing_all
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, DataSpec, RunSpec
from liftune.spec_text import TUNE, Asked
from liftune.tasks import task_of
from liftune.workflows.few_wanted import check_few
from liftune.workflows.starting_rows import Beginning, rows_to_go_on


@dataclass(frozen=True)
class TuneRequest:
    """A spec whose options are known to be good, and its rows."""

    spec: RunSpec
    method: Method
    options: Any
    """Of the method, parsed."""
    folder: RunFolder
    """Nothing is in it yet, or an unfinished run."""
    splits: Splits
    folds: Folds | None
    """With cross-validation: `splits` is then the whole, every row of it test."""
    metric: str
    folds_fit: bool
    """Test rows are few, and the folds that a hint names would be accepted."""
    answers: tuple[Answers, ...] = ()
    """Those that were made elsewhere."""
    descriptions: Descriptions | None = None
    """Of the labels, for a model that needs no training here."""
    beginning: Beginning | None = None
    """With --start; `splits` are then its rows."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the rows cannot show and what cross-validation costs, to be said before anything is computed."""
        splits, evaluation = self.splits, self.spec.evaluation
        said = coverage_sentences(splits.audit.coverage, self.metric)
        said += tuple(
            f"{each.name}: {note}" for each in self.answers for note in (*coverage_notes(each, splits), *each.notes)
        )
        said += tuple(f"{ZERO_SHOT}: {note}" for note in (self.descriptions.notes if self.descriptions else ()))
        if self.beginning is not None:
            said = (*self.beginning.rows.notes, *said)
        if self.folds is None:
            return (
                *power_before(splits.task, splits.counts, hint=self.folds_fit),
                *said,
            )
        seeds = len(self.spec.train.seeds)
        chosen = evaluation.folds == AUTO_FOLDS
        cost = cost_of_folds(
            len(self.folds.parts), seeds, len(splits.test), with_full=evaluation.with_full, chosen=chosen
        )
        return (cost, *said)


#: More rows are not read twice, nor searched for near duplicates, to find out whether they fill folds.
_TRIED_ROWS = 2_000


def check_request(spec: RunSpec, rows: RowsInMemory | None = None, *, overwrite: bool = False) -> TuneRequest:
    """Check options and folder, then read and check the rows.

    Args:
        rows: those to tune on; None reads what `spec.data` names.
        overwrite: a run in the folder is to be replaced.

    Raises:
        LiftuneError: what the user can fix, but for faults of model and device.
    """
    method = find_method(spec.method.name)
    options = parse_options(method, spec.method.options)
    check_base_precision(spec, method)
    check_accelerations(spec.train.accelerations or ())
    folder = RunFolder.create(spec.out, name=run_name(spec), overwrite=overwrite)
    if not spec.method.start:  # a run that goes on from another has that one's base
        locate(spec.model.name)
    for check in checks_of_sources(spec):
        check()
    beginning = rows_to_go_on(spec, rows) if spec.method.start else None
    found = beginning.rows.splits if beginning else read_for_tuning(spec, rows)
    folds = found if isinstance(found, Folds) else None
    splits = found.whole if isinstance(found, Folds) else found
    check_few(spec, splits, method, options)
    metric = check_metric(spec.evaluation.metric, splits.task).name
    margin_in_own_unit(spec.evaluation.margin, METRICS[metric])  # refused before anything is computed
    answers = check_answers(spec, splits, metric, rows, beginning)
    descriptions = check_zero_shot(spec, splits)
    fit = folds is None and beginning is None and folds_would_fit(spec.data, splits, rows)
    alone = beginning.alone() if beginning else None
    return TuneRequest(spec, method, options, folder, splits, folds, metric, fit, answers, descriptions, alone)


def checks_of_sources(spec: RunSpec) -> tuple[Callable[[], None], ...]:
    """What can be refused of contenders from elsewhere before any row is read: each raises what is wrong."""
    answers = spec.evaluation.answers.items()
    return (
        *((partial(check_model, spec.evaluation.zero_shot),) if spec.evaluation.zero_shot is not None else ()),
        lambda: refuse_cost_of_nothing(spec),
        *(partial(check_source, name, source) for name, source in answers),
        lambda: check_described(spec),
    )


def check_described(spec: RunSpec) -> None:
    """Refuse descriptions for no model, and those that are not there.

    Raises:
        SpecError, DataError: naming them.
    """
    asked = spec.evaluation.describe
    if asked is None:
        return
    if spec.evaluation.zero_shot is None:
        raise SpecError(
            "labels are described for no model", where="--describe", hint="name the model: --zero-shot minilm"
        )
    check_descriptions(asked)


def check_answers(
    spec: RunSpec,
    splits: Splits,
    metric: str,
    rows: RowsInMemory | None = None,
    beginning: Beginning | None = None,
) -> tuple[Answers, ...]:
    """The answers that were made elsewhere, held against the rows.

    Args:
        splits: the rows; with folds the whole.
        rows: those in memory.
        beginning: with --start.

    Raises:
        DataError, SpecError: as `read_answers`; or the metric reads probabilities, and the answers have none.
    """
    evaluation = spec.evaluation
    kept = beginning.ids(spec, rows) if beginning else KeptIds(spec.data, rows)
    found = tuple(read_answers(name, source, splits, spec.data, kept) for name, source in evaluation.answers.items())
    task = task_of(splits.task)
    for each in found:
        if each.shares is None and task.has_probabilities and not METRICS[metric].needs_threshold:
            fitting = ", ".join(one.name for one in metrics_of(splits.task) if one.needs_threshold)
            raise SpecError(
                f"{metric} reads probabilities, and the answers of {each.name} have none",
                where=where_of(each.name),
                hint=f"give a column of probabilities for each label, or another --metric: {fitting}",
            )
    return found


def check_zero_shot(spec: RunSpec, splits: Splits) -> Descriptions | None:
    """What each label means, for a model that needs no training here; None where none was asked for.

    Raises:
        SpecError: a task without labels; names that say nothing.
        DataError: as `read_descriptions`.
    """
    evaluation = spec.evaluation
    if evaluation.zero_shot is None:
        return None
    if not task_of(splits.task).outputs_labels:
        raise SpecError(
            "a model without training answers with labels, and these targets are numbers",
            where="--zero-shot",
            hint="leave it out, or give its numbers as --answers NAME=FILE",
        )
    if evaluation.describe is None:
        return names_as_words(splits.labels)
    return read_descriptions(evaluation.describe, splits.labels)


def refuse_cost_of_nothing(spec: RunSpec) -> None:
    """Refuse a cost whose contender is none that was made elsewhere.

    Raises:
        SpecError: naming those that there are.
    """
    known = (*spec.evaluation.answers, *([ZERO_SHOT] if spec.evaluation.zero_shot else []))
    for name in spec.evaluation.cost:
        if name not in known:
            hint = (
                f"give the cost of one of: {', '.join(known)}"
                if known
                else "give its answers with --answers, or leave it out"
            )
            raise SpecError(
                f"a cost is given for {name!r}, of which there are no answers{nearest(name, known)}",
                where="--cost",
                hint=hint,
            )


def check_base_precision(spec: RunSpec, method: Method) -> bool:
    """Refuse weights in four bits where they cannot be had, or something is to train them; True where nothing is wrong.

    Raises:
        MethodError, SpecError: the method, or full fine-tuning beside it, trains them.
        MissingExtra: what holds them so is not installed.
    """
    asked = spec.model.base_precision
    if asked is None:
        return True
    check_four_bits(method, asked)
    if spec.evaluation.with_full:
        raise SpecError(
            "full fine-tuning trains the weights themselves, which are frozen in four bits",
            where=f"--with-full --base-precision {asked}",
            hint="leave one of the two out",
        )
    need(*EXTRAS["quant"])
    return True


def folds_would_fit(data: DataSpec, splits: Splits, rows: RowsInMemory | None) -> bool:
    """Whether test rows are few and `--folds` would be accepted: then it may be hinted at.

    Args:
        splits: as read without folds.
        rows: those in memory, if they are not read.
    """
    counts = splits.counts
    if not testing_all(counts) or {"--test", "--test-rows"} & set(parts_asked(data)):
        return False
    if counts.train + counts.validation + counts.test > _TRIED_ROWS:
        data, rows = data.model_copy(update={"near_duplicates": 0.0}), splits
    try:
        return bool(load_folds(data, HINTED_FOLDS, rows).parts)
    except DataError:
        return False


def read_for_tuning(spec: RunSpec, rows: RowsInMemory | None) -> Splits | Folds:
    """The rows, cut as --folds says; parts in memory come with a test part, and have folds only where asked for.

    Raises:
        DataError: as `load_data`, or folds were asked for that the rows do not fill.
    """
    count = spec.evaluation.folds
    if isinstance(count, int):
        return load_folds(spec.data, count, rows)
    if count == AUTO_FOLDS and (rows is None or isinstance(rows, TablesInMemory)):
        return load_data_or_folds(spec.data, rows)
    return read_rows(spec.data, rows)


def read_rows(spec: DataSpec, rows: RowsInMemory | None = None, asked: Asked = TUNE) -> Splits:
    """Train, validation and test: those in memory, or what the spec names.

    Raises:
        DataError: as `load_data`.
    """
    if rows is None or isinstance(rows, TablesInMemory):
        return load_data(spec, rows, asked)
    return rows.to_splits()


def run_name(spec: RunSpec) -> str:
    """A folder name that says what was run: `imdb-distilbert-base-uncased-lora`."""
    source = "memory" if spec.data.source == IN_MEMORY else spec.data.source.removeprefix("sample:")
    parts = (source, spec.model.name, spec.method.name)
    return "-".join(short_name(part) for part in parts)
