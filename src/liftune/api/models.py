"""`load`, `evaluate` and `compare`: what opens models and their runs.

In: paths, options.  Out: predictors, records.  Not here: any work; each verb builds a spec and makes one call.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from liftune import arguments
from liftune.api.calls import verb, with_rows
from liftune.errors import EXTRAS, choose, need
from liftune.records.run import ComparisonRecord, EvaluationRecord
from liftune.spec import options_of

if TYPE_CHECKING:
    from liftune.data.splits import BecomesSplits
    from liftune.inference.predictor import Predictor


@verb
def load(
    run: str | os.PathLike[str],
    *,
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    device: str | None = None,
    with_base: bool = False,
    precision: str | None = None,
    min_precision: float | None = None,
    trust_remote_code: bool = False,
) -> Predictor:
    """A run's tuned model, or a bundle that was exported from one, ready to `predict(["some text"])`.

    Args:
        use: which contender of the run: majority, tfidf, base, probe, tuned, full, or recommended. None takes the tuned
            model, but where the verdict says that it is worse than the recommended one: `note` then says so.
        base: the adapter's base model, where it is no longer where it was when it was tuned on.
        precision: float32, bfloat16 or fastest; see `liftune predict --help`.
        min_precision: leave rows without a label where the model is too unsure for this share of its predictions to
            be right; see `liftune predict --help`.
        trust_remote_code: run Python code that comes with the model, where it was tuned with such code: read it first.
            Nothing that lies in a folder allows it.
    """
    from liftune.inference.bases import use_base
    from liftune.inference.predictor import load_predictor

    place = arguments.path(run, "run")
    options: dict[str, Any] = {
        "use": arguments.text_or_none(use, "use"),
        "device": arguments.text_or_none(device, "device"),
        "with_base": arguments.switch(with_base, "with_base"),
        "precision": arguments.text_or_none(precision, "precision"),
        "min_precision": arguments.number_or_none(min_precision, "min_precision"),
        "trust_remote_code": arguments.switch(trust_remote_code, "trust_remote_code"),
    }
    use_base(arguments.path_or_none(base, "base"), place, use=options["use"], with_base=options["with_base"])
    return load_predictor(place, **options)


@verb
def evaluate(
    data: str | os.PathLike[str] | BecomesSplits,
    *,
    model: str | os.PathLike[str],
    use: str | None = None,
    base: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    **options: Any,
) -> EvaluationRecord:
    """Score a run, an adapter or a pretrained model on a data set's test rows: `liftune evaluate`.

    Args:
        data: as for `tune`; of rows in memory, the test rows are scored.
        use: which contender of a run; see `load`.
        base: the adapter's base model; see `load`.
        options: data and model options of `tune`: text, label, task, test_rows, label_map, device, ...
    """
    need(*EXTRAS["tune"])
    from liftune.inference.bases import use_base_of_scored
    from liftune.workflows.evaluate import evaluate_model

    for name in options:
        choose(name, options_of("evaluate"), "option of evaluate")
    use, metric = arguments.text_or_none(use, "use"), arguments.text_or_none(metric, "metric")
    if data is None:
        arguments.path(data, "data")
    spec, rows = with_rows(data, {"model": arguments.path(model, "model"), **options})
    use_base_of_scored(arguments.path_or_none(base, "base"), spec.model.name, use)
    return evaluate_model(spec.data, spec.model, rows, use=use, metric=metric)


@verb
def compare(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    metric: str | None = None,
    margin: float | None = None,
    use: str | None = None,
) -> ComparisonRecord:
    """The tuned models of two runs on the test rows that they share, b against a: `liftune compare`.

    Args:
        margin: points of accuracy, else in the metric's own unit: also says whether b is not worse by as much.
        use: which contender of both; see `load`.
    """
    from liftune.workflows.compare import compare_runs

    return compare_runs(
        arguments.path(a, "a"),
        arguments.path(b, "b"),
        metric=arguments.text_or_none(metric, "metric"),
        margin=arguments.number_or_none(margin, "margin"),
        use=arguments.text_or_none(use, "use"),
    )
