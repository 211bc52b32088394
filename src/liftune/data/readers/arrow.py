"""Arrow files: Feather, IPC files, and the IPC streams that `datasets` saves.

In: a RawFile.  Out: a Stream, with the class names that `datasets` declares.
Not here: what cells become (columnar.py), folders that `save_to_disk` wrote (saved_sets.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from liftune.data.readers.columnar import columnar_stream
from liftune.data.readers.parquet import damage
from liftune.data.readers.streams import Stream
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"


def open_arrow(file: RawFile) -> Stream:
    """The rows of an Arrow file of any of these kinds, told by its first bytes.

    Raises:
        DataError: not Arrow, no rows, or two columns of one name.
    """
    import pyarrow as pa

    path = file.plain_path
    data = None if path else file.read()
    size = path.stat().st_size if path else len(data or b"")

    def source() -> Any:
        return pa.memory_map(str(path)) if path and path.stat().st_size else pa.BufferReader(data or b"")

    start = source().read(len(_FILE))
    if not start:
        raise DataError("the file is empty", where=file.where, hint="give an Arrow file with rows")

    def opened() -> Any:
        if start.startswith(_FEATHER_1):
            from pyarrow import feather

            return feather.read_table(source())
        return pa.ipc.open_file(source()) if start == _FILE else pa.ipc.open_stream(source())

    def every() -> Iterator[Any]:
        with damage(file.where, "Arrow", size):
            content = opened()
            if hasattr(content, "to_batches"):
                found = iter(content.to_batches())
            elif hasattr(content, "num_record_batches"):
                found = (content.get_batch(i) for i in range(content.num_record_batches))
            else:
                found = iter(content)
            for batch in found:
                batch.validate()
                yield batch

    def batches(columns: tuple[str, ...]) -> Iterator[Any]:
        for batch in every():
            chosen = batch.select(list(columns))
            with damage(file.where, "Arrow", size):
                _check(chosen)
            yield chosen

    with damage(file.where, "Arrow", size):
        schema = opened().schema
        return columnar_stream(file.where, schema, sum(batch.num_rows for batch in every()), batches)


def _check(batch: Any) -> None:
    """Refuse damage by which reading the cells would leave the file's memory; a text that is not UTF-8 is a bad row."""
    import pyarrow as pa

    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise
            column.cast(pa.binary() if pa.types.is_string(column.type) else pa.large_binary()).validate(full=True)
