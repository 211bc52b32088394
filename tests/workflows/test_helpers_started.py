"""A helper that ends, or a signal that comes, before the processes of a run have met: nothing is waited for."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from liftune.hardware import ranks
from liftune.launch import RankLost
from liftune.stopping import Signalled, ending_tidily
from liftune.workflows import crewed
from liftune.workflows.helpers_started import Helpers

#: In place of a helper, which takes seconds to start.
SLEEPS = "import time; time.sleep(600)"
ARRIVES = (
    "import os; from torch.distributed import TCPStore; s = TCPStore('127.0.0.1', int(os.environ['MASTER_PORT']), 2,"
    "is_master=False); s.set('liftune: rank 1 is here', '')"
)


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a helper does, as Python code."""
    real, code = subprocess.Popen, {"it": SLEEPS}

    def start(command: list[str], **named: object) -> object:
        return real([sys.executable, "-c", code["it"]], **named)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    return code


def meet() -> None:
    helpers = Helpers(2)
    try:
        crewed.open_group(helpers.here, helpers)
    finally:
        helpers.end(told=False)
    pytest.fail("they have met")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(3)", "ended while it started, with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "ended while it started, by SIGKILL"),
        pytest.param(ARRIVES, "ended while it started, with exit code 0", marks=pytest.mark.slow),
    ],
)
def test_a_helper_that_ends_as_it_starts_is_named(code: str, said: str, does: dict[str, str]) -> None:
    does["it"] = code
    with pytest.raises(RankLost, match=said) as caught:
        meet()
    assert "rank 1 (process " in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("arrived", [False, True])
def test_a_signal_ends_the_wait(
    name: str, arrived: bool, does: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the helper has arrived, and when torch waits for it inside its own code."""
    real, looks = Helpers.watch, []

    def watch(self: Helpers) -> None:
        real(self)
        if arrived and not looks:
            self.store.set(ranks._arrival(1), "")
        looks.append(1)
        if len(looks) == 5:
            signal.raise_signal(getattr(signal, name))

    monkeypatch.setattr(Helpers, "watch", watch)
    with pytest.raises(Signalled) as caught, ending_tidily():
        meet()
    assert caught.value.signum == getattr(signal, name)
