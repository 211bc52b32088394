"""The model card: metadata that a hub can parse, from the record alone, and nothing of the machine it was made on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from made_runs import made_run

from liftune.models.checkpoint import Checkpoint, license_of
from liftune.records.run import TuneRecord
from liftune.reports.model_card import to_card
from liftune.tasks import TaskKind


def metadata(card: str) -> Any:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)[1])  # type: ignore[index]


@pytest.fixture
def record(tmp_path: Path) -> TuneRecord:
    hub = {"base_model": "org/base", "base_license": "apache-2.0"}
    return made_run(tmp_path / "run").record().model_copy(update=hub)


@pytest.mark.parametrize("task", list(TaskKind))
def test_a_hub_reads_the_card(task: TaskKind, tmp_path: Path) -> None:
    record = made_run(tmp_path / "run", task).record()
    card = ModelCard(to_card(record))
    assert card.data.library_name == "peft"
    assert card.data.pipeline_tag == "text-classification"
    (result,) = card.data.eval_results
    assert result.dataset_name == "rows.csv"
    assert result.metric_value == pytest.approx(record.contenders[-1].metrics[record.metric].value, abs=1e-6)


def test_the_metadata_name_base_licence_tags_and_metrics(record: TuneRecord) -> None:
    found = metadata(to_card(record))
    assert found["base_model"] == "org/base"
    assert found["base_model_relation"] == "adapter"
    assert found["license"] == "apache-2.0"
    assert {"liftune", "lora", "single-label"} <= set(found["tags"])
    assert found["metrics"] == ["accuracy"]
    assert found["model-index"][0]["results"][0]["metrics"][0]["type"] == "accuracy"


def test_a_full_model_is_no_peft_adapter(record: TuneRecord) -> None:
    found = metadata(to_card(record.model_copy(update={"method": "full"})))
    assert found["library_name"] == "transformers"
    assert found["base_model_relation"] == "finetune"


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = metadata(to_card(made_run(tmp_path / "run").record()))
    assert "license" not in found
    assert "base_model" not in found


def test_the_card_tells_verdict_ladder_and_caveats(record: TuneRecord) -> None:
    card = to_card(record)
    assert "Tuning helped: 86.7% of test texts right, against 57.5% for the strongest other model" in card
    assert "tuned is better than probe (the strongest other model on validation): +29.2 points" in card
    assert "| majority |" in card
    assert "One seed" in card
    assert "| base (random) |" in card


def test_the_card_tells_no_path_of_this_disk(record: TuneRecord, tmp_path: Path) -> None:
    home = tmp_path / "someone"
    here = {"data": str(home / "secret" / "reviews.csv"), "model": str(home / "models" / "mine")}
    here["run"] = str(home / "run")
    card = to_card(record.model_copy(update=here))
    assert "someone" not in card
    assert "reviews.csv" in card


def test_names_that_look_like_markup_stay_names(record: TuneRecord) -> None:
    names = {"labels": ("a`b", "<script>", 'c"d: [e]'), "data": 'x": {y}\n---\nz'}
    card = to_card(record.model_copy(update=names))
    assert metadata(card)["model-index"][0]["results"][0]["dataset"]["name"] == names["data"]
    assert "# minilm-lora-x" in card
    assert "`a'b`" in card


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model", "apache-2.0"),
        ("---\nlanguage: en\n---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("", None),
    ],
)
def test_a_licence_is_read_off_the_bases_own_card(text: str, named: str | None, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert license_of(Checkpoint(str(tmp_path), str(tmp_path), str(tmp_path))) == named
    (tmp_path / "README.md").unlink()
    assert license_of(Checkpoint(str(tmp_path), str(tmp_path), str(tmp_path))) is None
