"""Rows of files that lie elsewhere: the copy that was brought is read as any file or folder is, under its address.

In: an Address.  Out: Parts or a Table whose places, notes and errors name the address, not the copy.
Not here: bringing the copy (fetching.py), which addresses are read (addresses.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath

from liftune.addresses import Address, said
from liftune.data.readers.fetching import fetched, local_name
from liftune.data.readers.formats import open_stream
from liftune.data.readers.options import FileOptions
from liftune.data.readers.sheets import file_and_sheet
from liftune.data.readers.streams import Stream
from liftune.data.readers.table import Fault, NotedParts, Parts, Table
from liftune.errors import LiftuneError


def remote_parts(address: Address, read: Callable[[str], Parts]) -> Parts:
    """The parts at an address.

    Args:
        read: gives those of a path.

    Raises:
        DataError, MissingExtra: as `fetched`, or reading it.
    """
    name = _Names.of(address)
    with name.in_errors():
        parts = read(local_name(address))
    return NotedParts(
        {each: partial(name.read, part) for each, part in parts.items()},
        files=getattr(parts, "files", {}),
        notes=[name.of_text(each) for each in getattr(parts, "notes", ())],
    )


def remote_table(address: Address, read: Callable[[str], Table]) -> Table:
    """The table at an address, as `remote_parts`."""
    name = _Names.of(address)
    return name.read(partial(read, local_name(address)))


def open_rows(source: str, options: FileOptions) -> Stream:
    """The rows of a file, here or elsewhere.

    Raises:
        DataError: as `open_stream` or `fetched`; it is a folder.
        MissingExtra: as `fetched`.
    """
    if not isinstance(source, Address):
        return open_stream(source, options)
    name = _Names.of(source)
    path = local_name(source)
    with name.in_errors():
        stream = open_stream(path, options, where=name.of_text(path))
    return replace(stream, notes=(*map(name.of_text, stream.notes), said(source, fetched(source))))


@dataclass(frozen=True)
class _Names:
    """Puts the address in the place of the copy's path."""

    path: str
    address: str
    held: Address
    """Whose copy is there as long as this is."""

    @classmethod
    def of(cls, address: Address) -> _Names:
        return cls(str(fetched(address).path), file_and_sheet(address.without_fragment)[0].rstrip("/"), address)

    def of_text(self, text: str) -> str:
        return text.replace(self.path, self.address)

    @contextmanager
    def in_errors(self) -> Iterator[None]:
        try:
            yield
        except LiftuneError as error:
            error.message = self.of_text(error.message)
            error.where = error.where and self.of_text(error.where)
            error.hint = error.hint and self.of_hint(error.hint)
            raise

    def of_hint(self, text: str) -> str:
        """A command of the shell is for a file that is here; what liftune is to be given is an address."""
        if self.path not in text or f"{self.path}#" in text:
            return self.of_text(text)
        return f"bring it here first; then: {text.replace(self.path, PurePath(self.path).name)}"

    def read(self, part: Callable[[], Table]) -> Table:
        with self.in_errors():
            return self._table(part())

    def _table(self, table: Table) -> Table:
        def cells(column: str) -> list[object]:
            with self.in_errors():
                return table.read(column)

        return replace(
            table,
            where=self.of_text(table.where),
            read=cells,
            notes=tuple(map(self.of_text, table.notes)),
            faults=tuple(
                Fault(each.position, self.of_text(each.reason), self.of_hint(each.hint)) for each in table.faults
            ),
            shards=tuple(map(self._table, table.shards)),
        )
