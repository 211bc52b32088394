"""Whether a checkpoint's trained head predicts the data's labels, and in which order.

In: the checkpoint's config, the task, the data's labels, the user's label map.  Out: the data's labels in the head's
order, or None.
Not here: whether the head's weights are in the file (backbone.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from liftune.errors import ModelError, nearest
from liftune.tasks import TaskKind, task_of

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def kept_order(
    config: PretrainedConfig, task: TaskKind, labels: Sequence[str], label_map: Mapping[str, str]
) -> tuple[str, ...] | None:
    """The data's labels in the order of the checkpoint's own head, or None where that head does not fit the data.

    Raises:
        ModelError: the label map names a label that data or head do not have, or leaves one without a partner.
    """
    own: Mapping[Any, str] = config.id2label or {}
    names = [str(own[i]) for i in sorted(own)]
    kind = task_of(task)
    if not kind.outputs_labels:
        return () if len(names) == 1 and config.problem_type in (None, kind.problem_type) else None
    _check_map(label_map, labels, names)
    # What transformers takes a config for that does not say.
    usual = "regression" if len(names) == 1 else "single_label_classification"
    if (config.problem_type or usual) != kind.problem_type:
        return None
    partner = {label_map.get(label, label).casefold(): label for label in labels}
    if len(partner) == len(labels) == len(names) and {name.casefold() for name in names} == set(partner):
        return tuple(partner[name.casefold()] for name in names)
    if label_map:
        alone = sorted(label for key, label in partner.items() if key not in {name.casefold() for name in names})
        left = sorted(name for name in names if name.casefold() not in partner)
        raise ModelError(
            f"the label map does not pair every label: the data's {alone or 'none'} and the head's {left or 'none'} "
            "are left over",
            where="--label-map",
            hint="give DATA_LABEL=HEAD_LABEL for each, or leave out the map to train a fresh head",
        )
    return None


def _check_map(label_map: Mapping[str, str], labels: Sequence[str], names: Sequence[str]) -> None:
    faults = [
        f"the data have no label {label!r}{nearest(label, labels)}" for label in label_map if label not in labels
    ] + [
        f"the head has no label {name!r}{nearest(name, names)}"
        for name in label_map.values()
        if name.casefold() not in {each.casefold() for each in names}
    ]
    if faults:
        raise ModelError(
            "; ".join(faults),
            where="--label-map",
            hint=f"the data's labels are {', '.join(labels)}; the head's are {', '.join(names)}",
        )
