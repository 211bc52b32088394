"""tools/compare_records.py finds every changed value, and lets pass only what may differ."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "v0_1"
RECORDS = ("run_multi", "seeds_run", "sweep", "evaluate.json")


def _load() -> Any:
    found = importlib.util.spec_from_file_location("compare_records", ROOT / "tools" / "compare_records.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


tool = _load()


def a_record() -> dict[str, Any]:
    return {
        "schema": 1,
        "run": "a",
        "seconds": 3.0,
        "labels": ["joy", "anger"],
        "contenders": [{"name": "tuned", "seconds": {"train": 1.0}, "metrics": {"accuracy": {"value": 0.75}}}],
        "comparisons": [{"verdict": "better", "p_value": 0.01, "note": None}],
        "plan": [{"choice": "device", "value": "cpu", "reason": "the best one here"}],
        "logs": [{"stopped": "all epochs ran", "steps": 12, "peak_mib": 5.0}],
        "audit": {"leaked_ids": ["test:1"]},
        "notes": ["one note"],
        "versions": {"torch": "2"},
        "curve": None,
        "partial": False,
    }


def compared(change: Callable[[dict[str, Any]], object], **options: Any) -> Any:
    """A record against itself with something changed."""
    old, new = a_record(), a_record()
    change(new)
    comparison = tool.Comparison(**options)
    comparison.compare(old, new)
    return comparison


def at(*path: str | int) -> Callable[[Any], Callable[[dict[str, Any]], None]]:
    """at("plan", 0, "value")("cuda") changes that place."""

    def to(value: Any) -> Callable[[dict[str, Any]], None]:
        def change(record: dict[str, Any]) -> None:
            place: Any = record
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value

        return change

    return to


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            at("contenders", 0, "metrics", "accuracy", "value")(0.7500001),
            "contenders[0].metrics.accuracy.value: 0.75 -> 0.7500001",
        ),
        (at("comparisons", 0, "verdict")("worse"), "comparisons[0].verdict: better -> worse"),
        (at("labels", 1)("rage"), "labels[1]: anger -> rage"),
        (at("labels")(["anger", "joy"]), "labels[0]: joy -> anger"),
        (at("audit", "leaked_ids", 0)("test:2"), "audit.leaked_ids[0]: test:1 -> test:2"),
        (at("audit", "leaked_ids")([]), "audit.leaked_ids: 1 items -> 0 items"),
        (at("logs", 0, "steps")(None), "logs[0].steps: 12 -> null"),
        (at("plan", 0, "value")("cuda"), "plan[0].value: cpu -> cuda"),
        (at("curve")({"metric": "accuracy"}), 'curve: null -> {"metric": "accuracy"}'),
        (at("partial")(0), "partial: false -> 0"),
        (at("schema")(2), "schema: 1 -> 2"),
        (lambda record: record["comparisons"][0].pop("p_value"), "comparisons[0].p_value: 0.01 -> absent"),
        (at("folds")(5), "folds: absent -> 5"),
        (at("notes", 0)(1), "notes[0]: one note -> 1"),
    ],
)
def test_a_changed_value_is_found(change: Callable[[dict[str, Any]], object], line: str) -> None:
    comparison = compared(change)
    assert comparison.differences[0] == line
    assert comparison.words == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (at("plan", 0, "reason")("asked for"), "plan[0].reason: the best one here -> asked for"),
        (at("plan", 0, "choice")("machine"), "plan[0].choice: device -> machine"),
        (at("notes")(["one note", "two"]), "notes: 1 items -> 2 items"),
        (at("notes", 0)("another"), "notes[0]: one note -> another"),
        (at("comparisons", 0, "note")("new"), "comparisons[0].note: null -> new"),
        (at("logs", 0, "stopped")("every epoch ran"), "logs[0].stopped: all epochs ran -> every epoch ran"),
    ],
)
def test_words_are_shown_apart_and_do_not_count(change: Callable[[dict[str, Any]], object], line: str) -> None:
    comparison = compared(change)
    assert comparison.words == [line]
    assert comparison.differences == []


@pytest.mark.parametrize(
    "change",
    [
        at("seconds")(9.0),
        at("contenders", 0, "seconds", "train")(9.0),
        at("logs", 0, "peak_mib")(9.0),
        at("versions")({"torch": "3"}),
        at("run")("b"),
        at("recommended")(None),
        at("method_comparisons")([]),
        lambda record: record.pop("curve"),
    ],
)
def test_what_the_machine_decides_and_what_says_nothing_is_let_pass(
    change: Callable[[dict[str, Any]], object],
) -> None:
    comparison = compared(change)
    assert comparison.differences == comparison.words == []
    assert comparison.compared > 10


def test_a_key_can_be_allowed_and_numbers_given_a_tolerance() -> None:
    value = at("contenders", 0, "metrics", "accuracy", "value")
    assert compared(value(0.1), allowed=["accuracy"]).differences == []
    assert compared(value(0.751), tolerance=0.01).differences == []
    assert len(compared(value(0.77), tolerance=0.01).differences) == 1
    assert len(compared(value(float("nan")), tolerance=0.01).differences) == 1


def numbers(values: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where a record holds numbers that count."""
    if isinstance(values, dict):
        places = ((key, each) for key, each in values.items() if key not in tool.NOT_COMPARED)
    elif isinstance(values, list):
        places = enumerate(values)
    else:
        return [path] if isinstance(values, int | float) and not isinstance(values, bool) else []
    return [place for key, each in places for place in numbers(each, (*path, key))]


@pytest.mark.parametrize("name", RECORDS)
def test_of_a_record_of_0_1_every_number_is_looked_at(name: str) -> None:
    record = tool.read(FIXTURES / name)
    places = numbers(record)
    assert len(places) > 20
    changed = copy.deepcopy(record)
    for place in places:
        within: Any = changed
        for step in place[:-1]:
            within = within[step]
        kept = within[place[-1]]
        within[place[-1]] = kept + 1
        comparison = tool.Comparison()
        comparison.compare(record, changed)
        assert len(comparison.differences) == 1, place
        within[place[-1]] = kept


def test_the_exit_code_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.json"
    record = json.loads((FIXTURES / "run" / "record.json").read_text(encoding="utf-8"))
    record["plan"][0]["reason"] = "other words"
    path.write_text(json.dumps(record), encoding="utf-8")
    assert tool.main([str(FIXTURES / "run"), str(path)]) == 0
    assert "0 differences, 1 words changed" in capsys.readouterr().out
    record["comparisons"][0]["p_value"] += 1e-12
    path.write_text(json.dumps(record), encoding="utf-8")
    assert tool.main([str(FIXTURES / "run"), str(path)]) == 1
    assert capsys.readouterr().out.startswith("comparisons[0].p_value: ")
    assert tool.main([str(FIXTURES / "run"), str(path), "--allow", "p_value", "q"]) == 0
    with pytest.raises(SystemExit) as refused:
        tool.main([str(FIXTURES / "run"), str(tmp_path)])
    assert refused.value.code == 2


def test_json_lines_are_a_list(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"label": "joy"}\n{"label": "anger"}\n', encoding="utf-8")
    assert tool.read(tmp_path / "answers.jsonl") == [{"label": "joy"}, {"label": "anger"}]


def test_the_old_one_is_upgraded_as_what_it_is() -> None:
    def upgrade(values: dict[str, Any], kind: str) -> dict[str, Any]:
        return {**values, "schema": 2, "kind": kind}

    assert tool.upgraded({"schema": 1}, upgrade=upgrade) == {"schema": 2, "kind": "record"}
    assert tool.upgraded({"schema": 1, "standings": []}, upgrade=upgrade)["kind"] == "sweep"
    assert tool.upgraded({"schema": 1}, "card", upgrade)["kind"] == "card"
    assert tool.upgraded([{"label": "joy"}], upgrade=upgrade) == [{"label": "joy"}]
