"""Signals: at once outside training, after saving inside it, and the second one always at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from liftune.cli import main as cli
from liftune.stopping import SIGNALS, Signalled, ending_tidily, saving_first, saying_what_is_kept, stop_wanted
from liftune.unfinished import Unfinished

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@POSIX
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_the_block_at_once_with_its_own_code(name: str, code: int) -> None:
    def block() -> None:
        with ending_tidily():
            signal.raise_signal(getattr(signal, name))
            pytest.fail("the block went on")

    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(Signalled) as stopped:
        block()
    assert stopped.value.exit_code == code
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert not stop_wanted()


@POSIX
@pytest.mark.parametrize("raises", [False, True])
def test_inside_saving_first_the_block_saves_and_then_ends(raises: bool) -> None:
    """Whether it returns once it has saved, or raises an interruption of its own."""
    saved = []

    def block() -> None:
        with ending_tidily(), saving_first() as wanted:
            signal.raise_signal(signal.SIGTERM)
            if wanted():
                saved.append("saved")
                if raises:
                    raise KeyboardInterrupt

    with pytest.raises(Signalled) as stopped:
        block()
    assert saved == ["saved"]
    assert stopped.value.exit_code == 143


@POSIX
def test_a_second_signal_ends_the_process_while_it_saves() -> None:
    code = (
        "import signal, liftune.stopping as s\n"
        "with s.ending_tidily(), s.saving_first():\n"
        "    signal.raise_signal(signal.SIGTERM); print('saving', flush=True); signal.raise_signal(signal.SIGTERM)\n"
        "    print('saved')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("saving\n", -signal.SIGTERM)


@POSIX
def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    """`nohup liftune tune &` must outlive its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_tidily():
            signal.raise_signal(signal.SIGHUP)
            assert not stop_wanted()
    finally:
        signal.signal(signal.SIGHUP, before)


@POSIX
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_command_line_says_that_it_stopped_and_exits_as_a_shell_expects(
    name: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "KINDS", {"methods": lambda: signal.raise_signal(getattr(signal, name))})
    assert cli.main(["list"]) == code
    assert capsys.readouterr().err == "liftune: stopped\n"


@POSIX
def test_a_worker_saves_and_ends_when_its_parent_is_gone() -> None:
    """However the parent ended: its end of the pipe closes."""
    code = (
        "import multiprocessing as m, os, time, liftune.stopping as s\n"
        "heard, said = m.Pipe(duplex=False); s.follow(heard)\n"
        "with s.saving_first() as wanted:\n"
        "    os.kill(os.getpid(), 2); said.close()\n"
        "    while not wanted(): time.sleep(0.001)\n"
        "    print('saved', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "saved\n"
    code = code.replace("    print('saved', flush=True)", "    pass").replace("with s.saving_first() as wanted", "if 1")
    code = code.replace("while not wanted()", "while True")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 143


def test_a_stop_before_anything_is_complete_says_that_nothing_was_kept() -> None:
    """Silence leaves it open."""
    with pytest.raises(KeyboardInterrupt) as bare, saying_what_is_kept():
        raise KeyboardInterrupt
    assert bare.value.__notes__ == ["nothing was kept, as nothing was complete yet: the same command begins anew"]
    kept = KeyboardInterrupt()
    kept.add_note("kept: this")
    with pytest.raises(KeyboardInterrupt) as told, saying_what_is_kept():
        raise kept
    assert told.value.__notes__ == ["kept: this"]


def test_a_stop_names_the_checkpoint_of_the_training_too(tmp_path: Path) -> None:
    """It is what took longest."""
    unfinished = Unfinished(tmp_path)
    (unfinished.folder / "tuned-0").mkdir(parents=True)
    (unfinished.folder / "tuned-0" / "000001.safetensors").touch()
    with pytest.raises(KeyboardInterrupt) as caught, unfinished.cleanup_on_error("liftune tune --resume x"):
        raise KeyboardInterrupt
    assert "the training up to its last checkpoint included" in caught.value.__notes__[0]
    assert str(unfinished.folder) in caught.value.__notes__[0]
    assert caught.value.__notes__[1] == "to go on: liftune tune --resume x"
