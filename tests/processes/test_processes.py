"""Worker processes: what they say is heard, and an item that came to nothing is tried so often and no oftener."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from liftune.processes import Say, Tries, Trouble, in_processes


def work(item: str, say: Say) -> str | Trouble:
    """`trouble` comes to nothing each time, `dies` ends its process, anything else says so and is done."""
    say(f"began {item}")
    if item == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return Trouble("no luck") if item == "trouble" else item.upper()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_each_item_has_its_outcome_and_what_is_said_is_heard(tmp_path: Path) -> None:
    again: list[str] = []
    heard: list[str] = []
    items = ["a", "trouble", "dies", "b"]
    outcomes = dict(
        in_processes(
            items, work, 2, tries=2, again=lambda item, why: again.append(item), heard=heard.append, call="liftune.x"
        )
    )
    assert (outcomes["a"], outcomes["b"]) == ("A", "B")
    assert outcomes["trouble"] == Trouble("no luck")
    died = outcomes["dies"]
    assert isinstance(died, Trouble)
    assert died.died
    assert "SIGKILL" in died.reason
    assert sorted(again) == ["dies", "trouble"]
    assert sorted(heard) == sorted(f"began {each}" for each in [*items, "trouble", "dies"])


def test_an_item_that_came_to_nothing_goes_to_the_end_and_is_begun_so_often() -> None:
    said: list[tuple[str, str]] = []
    tries = Tries(["x", "y"], 2, lambda item, why: said.append((item, why)))
    assert tries.next() == "x"
    assert not tries.settles("x", Trouble("once"))
    assert tries.next() == "y"
    assert tries.settles("y", "done")
    assert tries.next() == "x"
    assert tries.settles("x", Trouble("twice"))
    assert (tries.next(), said) == (None, [("x", "once")])


def test_items_may_depend_on_what_came_of_others() -> None:
    """As proposals do; None says that there is nothing to do now."""
    made: list[str | None] = ["a", None, "b"]

    class Made:
        def __iter__(self) -> Iterator[str | None]:
            while made:
                yield made.pop(0)

        def __len__(self) -> int:
            return 9

    tries = Tries(Made(), 2, lambda item, why: None)
    assert (len(tries), tries.next(), tries.next(), tries.next()) == (9, "a", None, "b")
    made.append("c")
    assert tries
    assert (tries.next(), tries.next(), len(tries)) == ("c", None, 0)
