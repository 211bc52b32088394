"""What every function of the Python API does alike."""

from __future__ import annotations

from typing import Any

import pytest

import liftune
from liftune.errors import OutOfMemory

#: Verb -> where its work is, and how it is called.
WORK: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "tune": ("liftune.workflows.tune.tune", ("rows.csv",), {}),
    "load": ("liftune.inference.opening.load_predictor", ("run",), {}),
    "predict": ("liftune.inference.opening.load_predictor", (["a text"],), {"model": "run"}),
    "label": ("liftune.labelling.asked.choose_rows", (["a text"],), {"run": "run"}),
    "evaluate": ("liftune.workflows.evaluate.evaluate_model", ("rows.csv",), {"model": "run"}),
    "compare": ("liftune.workflows.compare.compare_runs", ("a", "b"), {}),
    "sweep": ("liftune.sweeps.run.sweep", ("rows.csv",), {"methods": "lora"}),
    "inspect": ("liftune.workflows.inspect.inspect_data", ("rows.csv",), {}),
    "doctor": ("liftune.workflows.doctor.run_doctor", (), {}),
    "push": ("liftune.exports.push.push", ("run", "org/name"), {}),
    "check": ("liftune.sweeps.check.check", ("run",), {}),
    "read": ("liftune.run_folder.RunFolder.open", ("run",), {}),
    "report": ("liftune.run_folder.RunFolder.open", ("run",), {}),
    "export": ("liftune.exports.run.export", ("run", "to"), {}),
    "serve": ("liftune.server.server.serve", ("run",), {}),
    "init": ("liftune.spec_text.write_settings", (), {}),
}


@pytest.mark.parametrize("verb", WORK)
def test_a_verb_says_that_memory_is_short_wherever_that_was(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only in training, loading and answering; what was noted on the way stays."""
    place, given, named = WORK[verb]

    def short(*given: Any, **named: Any) -> None:
        error = MemoryError("unable to allocate 9 GiB")
        error.add_note("to go on: again")
        raise error

    monkeypatch.setattr(place, short)
    with pytest.raises(OutOfMemory, match="memory ran short") as caught:
        getattr(liftune, verb)(*given, **named)
    assert caught.value.hint
    assert caught.value.__notes__ == ["to go on: again"]
