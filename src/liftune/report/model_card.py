"""The model card: README.md of the adapter folder, with the metadata that model hubs read.

In: a TuneRecord, nothing else.  Out: Markdown with YAML before it.
Not here: writing it (reporting.py).
"""

from __future__ import annotations

import json
from typing import Any

from liftune.formatting import interval, plain_name
from liftune.records.run import Contender, TuneRecord
from liftune.report.base import named
from liftune.report.sections.summary import caveats, headline
from liftune.tasks import task_of

#: Our metrics by the names that hubs know them by, where they differ.
_HUB_NAMES = {"macro_f1": "f1", "micro_f1": "f1", "pearson": "pearsonr", "spearman": "spearmanr"}
_KNOWN = {"accuracy", "macro_f1", "micro_f1", "pearson", "spearman"}


def to_card(record: TuneRecord) -> str:
    """The card of the tuned model.

    YAML's flow style is JSON, so that no name of a label or a file needs other quoting than JSON's.
    """
    tuned = next(each for each in record.contenders if each.name == "tuned")
    front = "\n".join(
        f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in metadata(record, tuned).items()
    )
    return f"---\n{front}\n---\n\n{_body(record, tuned)}"


def metadata(record: TuneRecord, tuned: Contender) -> dict[str, Any]:
    """What a hub reads: base, library, task, metrics and results. Paths on a disk are left out."""
    whole = record.method == "full"
    found: dict[str, Any] = {"library_name": "transformers" if whole else "peft", "pipeline_tag": "text-classification"}
    if record.base_model:
        found["base_model"] = record.base_model
        found["base_model_relation"] = "finetune" if whole else "adapter"
    if record.base_license:
        found["license"] = record.base_license
    found["tags"] = ["liftune", record.method, record.task.value.replace("_", "-"), "text-classification"]
    found["metrics"] = sorted({_HUB_NAMES.get(name, name) for name in tuned.metrics if name in _KNOWN})
    data = plain_name(record.data) or "data"
    results = [
        {"type": _HUB_NAMES.get(name, name) if name in _KNOWN else name, "name": name, "value": round(each.value, 6)}
        for name, each in tuned.metrics.items()
        if each.value is not None
    ]
    found["model-index"] = [
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
    return found


def _name(record: TuneRecord) -> str:
    model, data = (plain_name(each).rpartition("/")[2] for each in (record.model, record.data))
    return f"{model}-{record.method}-{data or 'data'}"


def _body(record: TuneRecord, tuned: Contender) -> str:
    base = record.base_model or plain_name(record.model)
    lines = [
        f"# {_plain(_name(record))}",
        f"{'The model' if record.method == 'full' else 'An adapter for'} `{_code(base)}`, tuned by `{record.method}` "
        f"with liftune. It {task_of(record.task).summary}.",
    ]
    if record.comparisons:
        lines += ["## Was it worth it?", _plain(headline(record))]
    lines.append(_table(record))
    lines.append(f"Scores are of {record.rows.test:,} test rows, the same for all; brackets hold 95 % intervals.")
    if found := caveats(record):
        lines += ["## Mind", "\n".join(f"- {_plain(each)}" for each in found)]
    if record.labels:
        lines += ["## Labels", ", ".join(f"`{_code(label)}`" for label in record.labels)]
    lines += [
        "## Use",
        '```console\n$ liftune predict FOLDER "some text"\n```',
        f"The folder loads in plain {'transformers' if record.method == 'full' else 'PEFT'} too; `liftune.json` in it "
        "names the base, the labels in order and the length limit.",
        "## How it was made",
        f"{record.rows.train:,} train and {record.rows.validation:,} validation rows of "
        f"`{_code(plain_name(record.data) or 'data')}`, at most {record.max_length} tokens a row, "
        f"{tuned.trainable_parameters:,} parameters trained, seeds {', '.join(str(log.seed) for log in record.logs)}. "
        f"Test rows sha256 `{record.data_fingerprint}`.",
        ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


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
