"""Signals that ask a process to end: Ctrl-C, SIGTERM, SIGHUP, on Windows Ctrl-Break.

In: signals.  Out: `Signalled`: at once, or inside `saving_first` when the block has saved; 128 + signal as exit code.
Not here: what is saved (training/), what is said (cli/main.py).

The first signal ends a process tidily, and puts the system's own handlers back: the second ends it at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: SIGHUP is POSIX alone, SIGBREAK (Ctrl-Break) Windows alone.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Signalled(KeyboardInterrupt):
    """The process was asked to end. As a KeyboardInterrupt it passes everything that catches errors.

    Args:
        signum: the signal.
    """

    def __init__(self, signum: int = signal.SIGINT) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """As a shell reports it: 130 of Ctrl-C, 143 of SIGTERM, 129 of SIGHUP."""
        return 128 + self.signum


#: Of a stop before the work, which may be a later part of an earlier command's.
NOTHING_YET = "nothing was worked out yet: give the same command again"


class _Wish:
    """Whether the process shall end. There is one, as a process has one set of signals."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.saving = 0
        self.last_words: tuple[str, ...] = (NOTHING_YET,)
        self.lock = threading.RLock()


_WISH = _Wish()


def stop_wanted() -> bool:
    """Whether the process was asked to end: inside `saving_first`, save soon and let `Signalled` out."""
    return _WISH.signum is not None


def stop(otherwise: Callable[[int], None], signum: int = signal.SIGTERM) -> None:
    """Ask this process to end.

    Args:
        otherwise: called where nothing wants to save first.
    """
    with _WISH.lock:
        _WISH.signum = signum
        if _WISH.saving:
            return
    otherwise(signum)


@contextlib.contextmanager
def saving_first() -> Iterator[Callable[[], bool]]:
    """A block that asks `stop_wanted`, which is also its value, often enough, and saves when it is true.

    Raises:
        Signalled: at its end, where the process was asked to end meanwhile.
    """
    with _WISH.lock:
        _WISH.saving += 1
    try:
        yield stop_wanted
    except KeyboardInterrupt as error:  # whatever saved may have its own way to say that it stopped
        if _WISH.signum is None or isinstance(error, Signalled):
            raise
        signalled = Signalled(_WISH.signum)
        for note in getattr(error, "__notes__", ()):
            signalled.add_note(note)
        raise signalled from None
    finally:
        with _WISH.lock:
            _WISH.saving -= 1
    if _WISH.signum is not None and not _WISH.saving:
        raise Signalled(_WISH.signum)


#: Within so many seconds a launcher passes on the signal that the terminal sent to every process already.
ECHO = 3.0


@contextlib.contextmanager
def ending_tidily(*, echoes: bool = False) -> Iterator[None]:
    """Turn signals into `Signalled` inside the block; one that the caller ignores, as nohup does, stays ignored.

    Args:
        echoes: a launcher repeats signals: one that follows at once counts as the first.

    Outside the main thread, where Python sets no handlers, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _WISH.last_words = (NOTHING_YET,)
    before: dict[int, Any] = {each: signal.getsignal(each) for each in SIGNALS}
    wanted = [each for each, handler in before.items() if handler not in (signal.SIG_IGN, None)]

    heard = 0.0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard and time.monotonic() - heard < ECHO:
            return
        if heard or not echoes:
            for each in wanted:
                signal.signal(each, signal.SIG_DFL)
        if heard:
            os.kill(os.getpid(), signum)
            return
        heard = time.monotonic()
        stop(_raise, signum)

    for each in wanted:
        signal.signal(each, handle)
    try:
        yield
    finally:
        for each in wanted:
            signal.signal(each, before[each])
        _WISH.signum = None


#: Of a stop before anything was complete.
NOTHING_KEPT = "nothing was kept, as nothing was complete yet: the same command begins anew"


@contextlib.contextmanager
def saying_what_is_kept(otherwise: str = NOTHING_KEPT) -> Iterator[None]:
    """An interruption of the block says that nothing was kept, unless whoever kept something has said so."""
    try:
        yield
    except KeyboardInterrupt as error:
        if not getattr(error, "__notes__", ()):
            error.add_note(otherwise)
        raise


def say_if_stopped(*words: str) -> None:
    """From here on a stop of which nobody says what is kept has these words."""
    _WISH.last_words = words


def last_words() -> tuple[str, ...]:
    """What is true of the work where a stop itself says nothing."""
    return _WISH.last_words


def _raise(signum: int) -> None:
    raise Signalled(signum)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """A block in which signals wait, where the system lets them; a process begun in it holds them until `follow`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker  # `liftune --help` need not wait for it

    resource_tracker.ensure_running()  # multiprocessing starts it with the first process, and lets signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow(parent: Any) -> None:
    """In a worker process: save and end when its parent says so or is gone, or at SIGTERM.

    Ctrl-C and SIGHUP of a terminal reach every process of the command: the worker leaves them to its parent.

    Args:
        parent: a connection, whose other end the parent alone holds.
    """
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, frame: stop(leave, signum))
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            parent.recv()
        stop(leave)

    threading.Thread(target=wait, name="follow the parent", daemon=True).start()


def leave(signum: int) -> None:
    """End a worker process, whatever it still has to do."""
    os._exit(128 + signum)
