"""The model card: README.md of the adapter folder, with the metadata that model hubs read.

In: a TuneRecord, and the card in the folder.  Out: Markdown with YAML before it.
Not here: writing it (workflows/report.py).
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from liftune.formatting import interval, plain_name
from liftune.records.base import Interval
from liftune.records.run import Contender, TuneRecord
from liftune.records.training import AdapterCard
from liftune.reports import snippets
from liftune.reports.base import named
from liftune.reports.sections.claims import recommendation
from liftune.reports.sections.comparisons import sentence
from liftune.reports.sections.headline import headline, method_headline
from liftune.reports.sections.long_texts import reading
from liftune.reports.sections.summary import caveats
from liftune.reports.sections.use import is_kept, predict_command
from liftune.spec import IN_MEMORY
from liftune.tasks import task_of

#: Our metrics by the names that hubs know them by, where they differ.
_HUB_NAMES = {"macro_f1": "f1", "micro_f1": "f1", "pearson": "pearsonr", "spearman": "spearmanr"}
_KNOWN = {"accuracy", "macro_f1", "micro_f1", "pearson", "spearman"}


#: What a card is for: the adapter; the whole model; a bundle that runs without torch.
Form: TypeAlias = Literal["adapter", "merged", "bundle"]
_LIBRARIES: dict[Form, str] = {"adapter": "peft", "merged": "transformers", "bundle": "onnx"}


def to_card(
    record: TuneRecord, adapter: AdapterCard | None = None, place: str = "adapter", *, form: Form = "adapter"
) -> str:
    """The card of the tuned model.

    Args:
        adapter: what liftune.json holds, for the code that uses the model elsewhere; None leaves that out.
        place: of the model, for that code: its folder as seen from the run's, or a hub id.
        form: of the model; an adapter of the method `full` is a whole model.

    YAML's flow style is JSON, so that no name of a label or a file needs other quoting than JSON's.
    """
    tuned = next(each for each in record.contenders if each.name == "tuned")
    if form == "adapter" and record.method == "full":
        form = "merged"
    if adapter is not None and form == "merged":
        adapter = adapter.model_copy(update={"method": "full"})
    front = "\n".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata(record, tuned, form).items()
    )
    return f"---\n{front}\n---\n\n{_body(record, tuned, adapter, place, form)}"


def metadata(record: TuneRecord, tuned: Contender, form: Form) -> dict[str, Any]:
    """What a hub reads: base, library, task, metrics and results. Paths on a disk are left out."""
    values: dict[str, Any] = {"library_name": _LIBRARIES[form], "pipeline_tag": "text-classification"}
    if record.base_model:
        values["base_model"] = record.base_model
        values["base_model_relation"] = "adapter" if form == "adapter" else "finetune"
    if record.base_license:
        values["license"] = record.base_license
    values["tags"] = ["liftune", record.method, record.task.value.replace("_", "-"), "text-classification"]
    values["metrics"] = sorted({_HUB_NAMES.get(name, name) for name in tuned.metrics if name in _KNOWN})
    data = _data(record) or "data"
    results = [_result(name, each) for name, each in tuned.metrics.items() if each.value is not None]
    values["model-index"] = [
        {
            "name": _name(record),
            "results": [
                {
                    "task": {"type": "text-classification"},
                    "dataset": {"name": data, "type": data, "split": "test"},
                    "metrics": results,
                }
            ],
        }
    ]
    return values


def _result(name: str, score: Interval) -> dict[str, Any]:
    """A score in the form of `model-index`, which has no field for intervals: they are in its name and arguments."""
    values: dict[str, Any] = {"type": _HUB_NAMES.get(name, name) if name in _KNOWN else name, "name": name}
    values["value"] = round(score.value or 0.0, 6)
    if score.low is not None and score.high is not None:
        low, high = round(score.low, 6), round(score.high, 6)
        values["name"] = f"{name} (95% interval {low:.4g} to {high:.4g})"
        values["args"] = {"confidence": 0.95, "low": low, "high": high}
    return values


def _name(record: TuneRecord) -> str:
    model, data = (each.rpartition("/")[2] for each in (plain_name(record.model), _data(record)))
    named = "" if record.data == IN_MEMORY else f"-{data or 'data'}"
    return f"{model}-{record.method}{named}"


def _data(record: TuneRecord) -> str:
    """What the data are called; nothing for rows that were in memory."""
    return "" if record.data == IN_MEMORY else plain_name(record.data)


def _body(record: TuneRecord, tuned: Contender, adapter: AdapterCard | None, place: str, form: Form) -> str:
    base = record.base_model or plain_name(record.model)
    made = f"`{record.method}` adapter for `{_code(base)}`,"
    if record.method == "full":
        made = f"`{_code(base)}`, fully"
    elif form != "adapter":
        made = f"`{_code(base)}` with its `{record.method}` adapter merged into the weights,"
    lines = [
        f"# {_plain(_name(record))}",
        f"{made} tuned with liftune. It {task_of(record.task).summary}.",
    ]
    if record.comparisons:
        compared = (sentence(each, record) for each in (*record.comparisons, *record.method_comparisons))
        lines += ["## Was it worth it?", *map(_plain, (*headline(record), *method_headline(record)))]
        lines.append("\n".join(f"- {_plain(each)}" for each in compared))
        lines += map(_plain, recommendation(record))
        chosen = record.recommended or "tuned"
        if chosen != "tuned" and is_kept(record, chosen):
            lines.append(
                "This folder holds the tuned model. The recommended one is in the run that it came from: "
                f"`{predict_command(record, chosen, 'RUN')}`."
            )
    lines.append(_table(record))
    lines.append(f"Scores on {record.rows.test:,} test examples, the same for all. Brackets: 95% confidence intervals.")
    if warnings := caveats(record):
        lines += ["## Limitations", "\n".join(f"- {_plain(each)}" for each in warnings)]
    if record.labels:
        lines += ["## Labels", ", ".join(f"`{_code(label)}`" for label in record.labels)]
    lines += [
        "## Use",
        "In the run's folder, the one that holds `adapter`, for the command and the Python below:"
        if place == "adapter"
        else "",
        f'```console\n$ liftune predict {place} "some text"\n```',
        *(snippets.usage(adapter, place) if adapter is not None and form != "bundle" else ()),
        "It runs without torch: `pip install 'liftune[runtime]'`." if form == "bundle" else "",
        f"`{'bundle' if form == 'bundle' else 'liftune'}.json` names the base model, the labels in order and the "
        "length limit.",
        "## Training",
        f"{record.rows.train:,} train and {record.rows.validation:,} validation examples of "
        f"`{_code(_data(record) or 'data')}`, {reading(record.max_length, record.long)}, "
        f"{tuned.trainable_parameters:,} trained parameters, {'seeds' if len(record.logs) > 1 else 'seed'} "
        f"{', '.join(str(log.seed) for log in record.logs)}. Test set sha256 `{record.data_fingerprint}`.",
        _further(record),
        ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def _further(record: TuneRecord) -> str:
    """With --start, what it was tuned further from."""
    start = record.start
    if start is None:
        return ""
    new = f", and new labels: {', '.join(f'`{_code(label)}`' for label in start.added)}" if start.added else ""
    return (
        f"It was tuned further from another adapter (`{_code(plain_name(start.folder))}`, weights sha256 "
        f"`{start.sha256}`), with {start.new_rows:,} new train examples, {start.replayed:,} old ones{new}."
    )


def _table(record: TuneRecord) -> str:
    names = list(record.contenders[0].metrics)
    lines = [("contender", *names), ("---", *("---:" for _ in names))]
    lines += [(named(each), *(interval(each.metrics[name]) for name in names)) for each in record.contenders]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that no Markdown reader takes for markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
