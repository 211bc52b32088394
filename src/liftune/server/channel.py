"""Questions and answers between two processes, over one pipe, both ways at once.

In: a pipe, and what answers the other side's questions.  Out: the other side's answers; its errors are raised here.
Not here: what is asked (workers.py, worker.py).
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from multiprocessing.connection import Connection
from typing import Any

from liftune.errors import LiftuneError
from liftune.server.errors import RequestError

#: Answers a question: its name, then what is asked.
Answer = Callable[..., Any]


class GoneError(Exception):
    """The other process has ended, or does not answer in time."""


class Channel:
    """One end of the pipe.

    Args:
        answers: name of a question -> what answers it, in a thread of its own; what is only told is done in order.
        gone: called once, when the other process has ended.
    """

    def __init__(self, link: Connection, answers: dict[str, Answer], gone: Callable[[], None]) -> None:
        self._link, self._answers, self._gone = link, answers, gone
        self._sending, self._numbers = threading.Lock(), itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._ended = False

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="liftune-channel", daemon=True).start()

    def ask(self, name: str, *what: Any, seconds: float | None = None) -> Any:
        """The answer to a question; waits for it.

        Raises:
            GoneError: the other process has ended, or took longer.
            LiftuneError: what the other process raised.
        """
        try:
            return self.asked(name, *what).result(seconds)
        except TimeoutError:
            raise GoneError from None

    def asked(self, name: str, *what: Any) -> Future[Any]:
        """A question that is on its way; the answer is its result."""
        number, future = next(self._numbers), Future[Any]()
        self._waiting[number] = future
        future.add_done_callback(lambda _: self._waiting.pop(number, None))
        if self._ended:
            self._end()
        self._send(("ask", number, name, what))
        return future

    def tell(self, name: str, *what: Any) -> None:
        """Something that needs no answer; nothing happens where nobody is there any more."""
        self._send(("ask", None, name, what))

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            with self._sending:
                self._link.send(message)
        except (OSError, ValueError):  # ended, or closed here: the reading thread finds out
            return

    def _read(self) -> None:
        while True:
            try:
                kind, number, *rest = self._link.recv()
            except (EOFError, OSError):
                break
            if kind == "ask" and number is None:  # told, not asked: in order, and quick
                self._answer(number, *rest)
            elif kind == "ask":
                threading.Thread(target=self._answer, args=(number, *rest), daemon=True).start()
            elif (future := self._waiting.get(number)) and future.set_running_or_notify_cancel():
                right, value = rest
                if right:
                    future.set_result(value)
                else:
                    future.set_exception(value)
        self._ended = True
        self._end()
        self._gone()

    def _end(self) -> None:
        for future in list(self._waiting.values()):
            with contextlib.suppress(InvalidStateError):  # it is answered or cancelled just now
                future.set_exception(GoneError())

    def _answer(self, number: int | None, name: str, what: tuple[Any, ...]) -> None:
        right, value = True, None
        try:
            value = self._answers[name](*what)
        except LiftuneError as error:
            right, value = False, error
            if number is None:  # nobody waits for it
                print(f"liftune: {name} failed: {error}", file=sys.stderr, flush=True)
        except GoneError:
            right, value = False, RequestError(503, "another process of the server has ended", hint="try again")
        except Exception as error:  # a defect, which must not leave the other side waiting; the log has all of it
            traceback.print_exc()
            message = f"an error inside liftune: {type(error).__name__}: {error}"
            right, value = False, RequestError(500, message, hint="see the server's log")
        if number is not None:
            self._send(("answer", number, right, value))
