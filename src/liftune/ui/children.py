"""Child processes of the ordinary command line, and what they say.

In: arguments of `liftune`, a folder to work in.  Out: a running child; output and fault of one that is awaited.
Not here: which commands are given (queue.py, inspecting.py, incoming.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from liftune.errors import DataError, LiftuneError
from liftune.server.errors import RequestError
from liftune.ui.wording import for_page

#: A child of this interpreter.
LIFTUNE = (sys.executable, "-m", "liftune")
#: Bytes of a child's output that are read at most.
_MOST_OUTPUT = 32 * 2**20
#: Seconds from SIGTERM to the end of a child that was only asked to read something.
_GRACE_SECONDS = 2.0


class Child(Protocol):
    """A command that runs."""

    @property
    def pid(self) -> int:
        """Of its process."""
        ...

    async def wait(self) -> int:
        """Its exit code; below zero where a signal ended it."""
        ...

    def stop(self) -> None:
        """Ask it to save and to end, as Ctrl-C does."""
        ...


class Starter(Protocol):
    """Starts a command of liftune."""

    async def __call__(self, arguments: Sequence[str], folder: Path, log: Path) -> Child:
        """Start `liftune ARGUMENTS` in a folder; what it says is appended to `log`."""
        ...


@dataclass(frozen=True)
class Process:
    """A child process."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    async def wait(self) -> int:
        """Its exit code; below zero where a signal ended it."""
        return await self.process.wait()

    def stop(self) -> None:
        """Ask it to save and to end."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()


@dataclass(frozen=True)
class StartProcess:
    """Starts the command line in a process of its own.

    Args:
        environment: added to that of this process.
    """

    environment: Mapping[str, str]

    async def __call__(self, arguments: Sequence[str], folder: Path, log: Path) -> Child:
        """Start it. A session of its own: Ctrl-C in the server's terminal is the server's to pass on."""
        with log.open("ab") as said:
            return Process(
                await asyncio.create_subprocess_exec(
                    *LIFTUNE,
                    *arguments,
                    cwd=folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=said,
                    env={**os.environ, **self.environment},
                    start_new_session=True,
                )
            )


async def output_of(
    command: Sequence[str], folder: Path, seconds: float, environment: Mapping[str, str]
) -> tuple[int, bytes, str]:
    """A command's exit code, standard output and standard error.

    Raises:
        DataError: it did not end in time; it is ended then, with all that it started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            out, said = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise DataError(
            f"the file was not read within {seconds:g} seconds",
            hint="send a smaller file; or start `liftune ui` with --limit check_seconds=N",
        ) from None
    finally:
        await _end(process)
    return code, out, said.decode("utf-8", "replace")


async def _read(stream: asyncio.StreamReader) -> bytes:
    """All that a stream holds, up to a limit; the rest is read and dropped."""
    kept = bytearray()
    while part := await stream.read(1 << 16):
        kept += part[: max(0, _MOST_OUTPUT - len(kept))]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a child, and its children, that still runs."""
    if process.returncode is not None:
        return
    _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
        await process.wait()


def _signal(process: asyncio.subprocess.Process, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signum)
        else:
            process.send_signal(signum)


def fault_in(said: str) -> LiftuneError:
    """The fault that a command printed on standard error, with its where and hint.

    >>> error = fault_in("reading\\nliftune: no label\\n  where: rows.csv\\n  hint:  name it with --label\\n")
    >>> error.message, error.where, error.hint
    ('no label', 'rows.csv', 'name it with --label')
    """
    lines = said.rstrip().splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("liftune: ")]
    if not starts:
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return LiftuneError(f"the command ended without a result: {last[:500]}", hint="see the log")
    told, where, hint = [lines[starts[-1]].removeprefix("liftune: ")], None, None
    for line in lines[starts[-1] + 1 :]:
        if line.startswith("  where: "):
            where = line.removeprefix("  where: ").strip()
        elif line.startswith("  hint: "):
            hint = line.removeprefix("  hint: ").strip()
        else:
            told.append(line.strip())
    return LiftuneError("; ".join(told), where=where, hint=hint)


def named_for_user(error: LiftuneError, names: Mapping[str, str], status: int = 422) -> RequestError:
    """The fault in the page's words, with the user's own name of a file in place of the server's.

    Args:
        names: the server's -> the user's.
    """

    def named(text: str | None) -> str | None:
        for ours, theirs in names.items():
            text = text and text.replace(ours, theirs)
        return text

    error = for_page(error)
    return RequestError(status, named(error.message) or "", where=named(error.where), hint=named(error.hint))
