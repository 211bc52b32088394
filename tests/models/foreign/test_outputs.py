"""What the outputs of another's model mean: from its config, its base's config, its head, else as told."""

from __future__ import annotations

from typing import Any

import pytest

from liftune.errors import ModelError, SpecError
from liftune.models.foreign.heads import outputs_in
from liftune.models.foreign.outputs import Outputs, names_in, outputs_of
from liftune.models.foreign.said import Said, said_of
from liftune.tasks import TaskKind

NAMED = {"id2label": {"1": "pos", "0": "neg"}}
WITHOUT_NAMES = {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}


def meaning(number: int, *configs: dict[str, Any], **said: Any) -> Outputs:
    named = dict(zip(("config.json", "base's config.json"), configs, strict=False))
    return outputs_of(number, named, Said(**said), where="x")


@pytest.mark.parametrize(
    ("number", "configs", "labels", "why"),
    [
        (2, [NAMED], ("neg", "pos"), "by its config.json"),
        (2, [WITHOUT_NAMES, NAMED], ("neg", "pos"), "by its base's config.json"),
        (2, [{}, NAMED], ("neg", "pos"), "by its base's config.json"),
        (3, [NAMED], ("LABEL_0", "LABEL_1", "LABEL_2"), "--label-names"),
        (2, [{"id2label": {"0": "a", "1": "a"}}], ("LABEL_0", "LABEL_1"), "--label-names"),
        (2, [{"id2label": {"zero": "a", "1": "b"}}], ("LABEL_0", "LABEL_1"), "--label-names"),
        (2, [], ("LABEL_0", "LABEL_1"), "--label-names"),
    ],
)
def test_labels_are_those_that_a_config_of_as_many_outputs_names(
    number: int, configs: list[dict[str, Any]], labels: tuple[str, ...], why: str
) -> None:
    found = meaning(number, *configs)
    assert found.labels == labels
    assert why in found.why_labels


@pytest.mark.parametrize("keys", ["12", "02", "13"])
def test_labels_that_are_not_numbered_from_0_are_not_read_by_their_place(keys: str) -> None:
    config = {"id2label": {keys[0]: "a", keys[1]: "b, c"}}
    with pytest.raises(ModelError, match=f"numbers its labels {keys[0]}, {keys[1]}, and outputs") as refused:
        meaning(2, config)
    assert "--label-names 'a,\"b, c\"'" in str(refused.value.hint)
    assert meaning(2, config, label_names=("b", "a")).labels == ("b", "a")


def test_names_that_are_told_count_in_their_order() -> None:
    assert meaning(2, NAMED, label_names=("bad", "good")).labels == ("bad", "good")
    assert meaning(2, WITHOUT_NAMES, label_names=("bad", "good")).labels == ("bad", "good")


def test_names_of_the_config_in_another_order_name_the_same_outputs() -> None:
    """To say pos,neg of a model whose config says neg, pos would turn every answer round."""
    found = meaning(2, NAMED, label_names=("POS", "NEG"))
    assert found.labels == ("neg", "pos")
    assert "in the order of its config.json" in found.why_labels


@pytest.mark.parametrize(
    ("names", "message"),
    [(("a",), "1 name for the 2 outputs"), (("a", "b", "c"), "3 names"), (("a", "a"), "two outputs")],
)
def test_as_many_names_as_outputs_are_wanted(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message) as refused:
        meaning(2, NAMED, label_names=names)
    assert refused.value.where == "--label-names"
    assert "give 2 names" in str(refused.value.hint)
    assert "neg, pos" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("number", "config", "said", "task"),
    [
        (1, {}, {}, "regression"),
        (2, {}, {}, "single_label"),
        (3, {"num_labels": 3, "problem_type": "multi_label_classification"}, {}, "multi_label"),
        (1, {"num_labels": 1, "problem_type": "multi_label_classification"}, {}, "multi_label"),
        (
            3,
            {"num_labels": 3, "problem_type": "multi_label_classification"},
            {"task": TaskKind.SINGLE_LABEL},
            "single_label",
        ),
        (3, {"num_labels": 3, "problem_type": "no such thing"}, {"task": TaskKind.MULTI_LABEL}, "multi_label"),
    ],
)
def test_the_task_is_told_or_read_from_config_or_head(
    number: int, config: dict[str, Any], said: dict[str, Any], task: str
) -> None:
    found = meaning(number, config, **said)
    assert found.task == task
    assert found.why_task


@pytest.mark.parametrize(("number", "task"), [(3, TaskKind.REGRESSION), (1, TaskKind.SINGLE_LABEL)])
def test_a_task_that_the_head_cannot_be_of_is_refused(number: int, task: TaskKind) -> None:
    with pytest.raises(SpecError, match=r"as no (regression|single_label) model has") as refused:
        meaning(number, task=task)
    assert refused.value.where == "--task"
    with pytest.raises(ModelError, match="model has"):
        meaning(
            number, {"num_labels": number, "problem_type": {3: "regression", 1: "single_label_classification"}[number]}
        )


def test_numbers_have_no_names() -> None:
    with pytest.raises(SpecError, match="predicts numbers"):
        meaning(1, label_names=("a",))


def test_options_are_read_as_they_are_typed() -> None:
    assert said_of("a, b", "multi-label") == Said(("a", "b"), TaskKind.MULTI_LABEL)
    with pytest.raises(SpecError, match="unknown kind of task 'singel_label', did you mean single_label"):
        said_of(None, "singel_label")


def test_a_config_without_labels_has_two_as_in_transformers() -> None:
    assert names_in({}) == ("LABEL_0", "LABEL_1")
    assert len(names_in({"num_labels": 5})) == 5


@pytest.mark.parametrize(
    ("shapes", "saved", "outputs"),
    [
        ({"classifier.weight": (3, 32), "classifier.bias": (3,)}, None, {3}),
        ({"pre_classifier.weight": (32, 32), "classifier.weight": (3, 32)}, ["pre_classifier"], {3}),
        ({"classifier.dense.weight": (32, 32), "classifier.out_proj.weight": (7, 32)}, None, {7}),
        ({"sequence_summary.summary.weight": (32, 32), "logits_proj.weight": (2, 32)}, ["logits_proj"], {2}),
        ({"pooler.dense.weight": (16, 32), "classifier.weight": (150, 16)}, ["pooler"], {150}),
        ({"classifier.weight": (32, 32)}, None, {32}),
        ({"score.weight": (1, 32), "model.embed_tokens.weight": (999, 32)}, ["embed_tokens"], {1}),
        ({"classifier.lora_A.weight": (4, 32), "classifier.lora_B.weight": (3, 4)}, None, set()),
        ({"layer.0.q.lora_A.weight": (4, 32)}, None, set()),
        ({"one.weight": (3, 32), "two.weight": (5, 32)}, ["one", "two"], {3, 5}),
    ],
)
def test_outputs_are_counted_where_no_other_layer_reads_them(
    shapes: dict[str, tuple[int, ...]], saved: list[str] | None, outputs: set[int]
) -> None:
    assert outputs_in(shapes, {"peft_type": "LORA", "modules_to_save": saved}) == outputs


def test_modules_of_the_body_are_no_head() -> None:
    """A pooler that is saved without the head: its width was taken for the number of outputs."""
    saved = {"peft_type": "LORA", "modules_to_save": ["pooler"]}
    pooler = {"bert.pooler.dense.weight": (32, 32)}
    assert outputs_in(pooler, saved, {"hidden_size": 32}) == set()
    assert outputs_in({**pooler, "classifier.weight": (3, 32)}, saved, {"hidden_size": 32}) == {3}
    assert outputs_in({"classifier.weight": (32, 32)}, saved, {"hidden_size": 32}) == {32}
    block = {"layer.0.output.dense.weight": (32, 64), "layer.0.intermediate.dense.weight": (64, 32)}
    saved["modules_to_save"] = ["layer.0"]
    assert outputs_in(block, saved, {"hidden_size": 32, "intermediate_size": 64}) == set()
