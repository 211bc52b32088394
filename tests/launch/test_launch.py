"""What a launcher says, and what is refused of it; nothing is started."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from liftune.cli.main import main
from liftune.errors import LiftuneError
from liftune.launch import ONE_PROCESS, Division, Launch, launch, started_alone
from liftune.stopping import SIGNALS

SAID = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_a_launcher_says_which_process_this_is() -> None:
    assert launch(SAID) == Launch(1, 4, 1)
    assert launch({**SAID, "RANK": "0"}) == Launch(0, 4, 1)


@pytest.mark.parametrize("said", [{}, {"WORLD_SIZE": "1", "RANK": "0"}, {"WORLD_SIZE": ""}])
def test_without_others_a_process_is_alone(said: dict[str, str]) -> None:
    assert launch(said) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"RANK": ""}, "RANK is missing"),
        ({"MASTER_ADDR": ""}, "MASTER_ADDR is missing"),
        ({"RANK": "two"}, "RANK is 'two'"),
        ({"WORLD_SIZE": "-2"}, "WORLD_SIZE is '-2'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is 0"),
        ({"RANK": "4"}, "RANK is 4"),
        ({"ACCELERATE_USE_FSDP": "true"}, "--use_fsdp"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "--use_deepspeed"),
    ],
)
def test_half_a_launch_is_refused(change: dict[str, str], named: str) -> None:
    with pytest.raises(LiftuneError, match=named) as caught:
        launch({**SAID, **change})
    assert caught.value.hint


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """One of several processes; the signals that a helper leaves to the first are this process's again."""
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield monkeypatch
    for each, handler in before.items():
        signal.signal(each, handler)


def test_other_commands_are_one_processs_work(launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    launched.setenv("RANK", "0")
    assert main(["report", "nowhere"]) == LiftuneError.exit_code
    assert "report is the work of one process, and 4 were started" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["report", "nowhere"], ["tune", "--help"], ["tune", "--dry-run"], ["--version"]])
def test_the_others_are_silent(
    arguments: list[str], launched: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert capfd.readouterr() == ("", "")


def test_a_wrong_launch_is_said(launched: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    launched.setenv("RANK", "first")
    assert main(["tune"]) == LiftuneError.exit_code
    assert "RANK is 'first'" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "meant"), [(None, 1), ("1", 1), (2, 2), (" 3 ", 3), ("auto", 0)])
def test_devices_are_a_number_or_all(typed: object, meant: int) -> None:
    assert Division.of(typed) == Division(meant)
    assert Division.of(typed, shard=True) == Division(meant, shard=True)
    assert (Division.of(typed) == ONE_PROCESS) is (meant == 1)


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5, "2"])
def test_jobs_are_a_number(jobs: object) -> None:
    assert ONE_PROCESS.with_jobs(3) == Division(jobs=3)
    assert ONE_PROCESS.with_jobs(None) is ONE_PROCESS
    with pytest.raises(LiftuneError, match="is no number of jobs"):
        ONE_PROCESS.with_jobs(jobs)


@pytest.mark.parametrize("typed", ["0", "-1", "two", "", "1.5", 0, True, 2.0, "\u0663", ["2"]])
def test_anything_else_is_no_number_of_devices(typed: object) -> None:
    with pytest.raises(LiftuneError, match="is no number of devices"):
        Division.of(typed)


def test_too_many_are_told_how_many_there_may_be() -> None:
    """They are a number; a hint to give 2 or more would be followed already."""
    with pytest.raises(LiftuneError, match="1001 devices are too many: at most 1000"):
        Division.of("1001")
    with pytest.raises(LiftuneError, match="1001 jobs are too many: at most 1000"):
        ONE_PROCESS.with_jobs(1001)
    assert Division.of("1000").devices == ONE_PROCESS.with_jobs(1000).jobs == 1000


def test_accelerate_may_start_one_where_several_were_asked_for() -> None:
    """What it sets for --cpu --num_processes 2; for one process it names no meeting."""
    several = {"ACCELERATE_DYNAMO_BACKEND": "NO", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    (note,) = started_alone(ONE_PROCESS, several)
    assert "started this one alone" in note
    assert "--devices 2" in note
    assert started_alone(Division(2), several) == ()
    assert started_alone(ONE_PROCESS, {**several, "RANK": "0", "WORLD_SIZE": "2"}) == ()
    assert started_alone(ONE_PROCESS, {"ACCELERATE_DYNAMO_BACKEND": "NO"}) == ()
    assert started_alone(ONE_PROCESS, {}) == ()
