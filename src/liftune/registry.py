"""One registration makes a thing exist everywhere: command line, listing, docs, contract tests.

In: entries, ours by decorator and third parties' through entry points.  Out: look-ups by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, Generic, Protocol, TypeVar

from liftune.errors import LiftuneError, SpecError, choose


class RegistryEntry(Protocol):
    """What every registered thing has."""

    @property
    def name(self) -> str: ...  # noqa: D102 - a protocol's field
    @property
    def summary(self) -> str: ...  # noqa: D102 - a protocol's field


E = TypeVar("E", bound=RegistryEntry)
F = TypeVar("F", bound=Callable[..., Any])


class Registry(Generic[E]):
    """Named entries of one kind, in order of registration.

    Args:
        kind: what an entry is called in messages, such as "method".
        record: the entry's dataclass; `entry()` calls it with name, the decorated function as `build`, and the facts.
        error: what an unknown name raises.
        group: of entry points, `liftune.<kind>s` if not given.

    A third party registers through an entry point of that group: its module is imported at the first look-up and calls
    `entry()` like our own.
    """

    def __init__(
        self,
        kind: str,
        record: Callable[..., E],
        *,
        error: type[LiftuneError] = SpecError,
        group: str | None = None,
        option: str | None = None,
    ) -> None:
        self.kind = kind
        self._group = group or f"liftune.{kind}s"
        self._option = option or kind
        self._record = record
        self._error = error
        self._entries: dict[str, E] = {}
        self._third_parties_loaded = False

    def entry(self, name: str, **facts: Any) -> Callable[[F], F]:
        """Register the decorated function under a name."""

        def register(build: F) -> F:
            self._add(self._record(name=name, build=build, **facts))
            return build

        return register

    def _add(self, entry: E) -> None:
        if entry.name in self._entries:
            raise ValueError(f"{self.kind} {entry.name!r} is registered twice")
        self._entries[entry.name] = entry

    def _load_third_parties(self) -> None:
        if not self._third_parties_loaded:
            self._third_parties_loaded = True
            for point in entry_points(group=self._group):
                point.load()

    def __getitem__(self, name: str) -> E:
        self._load_third_parties()
        return self._entries[choose(name, self._entries, self.kind, f"--{self._option}", error=self._error)]

    def __contains__(self, name: object) -> bool:
        self._load_third_parties()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load_third_parties()
        return iter(list(self._entries))

    def __len__(self) -> int:
        self._load_third_parties()
        return len(self._entries)

    def entries(self) -> list[E]:
        """Every entry, in order of registration."""
        return [self[name] for name in self]
