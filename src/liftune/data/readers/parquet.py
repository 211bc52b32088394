"""Apache Parquet, whose columns are read one by one: a column that nobody needs costs nothing.

In: a RawFile.  Out: a Stream, with the class names that `datasets` declares.
Not here: what cells become (columnar.py), Parquet of predictions (inference/writers.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from liftune.data.readers.columnar import columnar_stream
from liftune.data.readers.streams import Stream
from liftune.data.readers.text_encoding import RawFile
from liftune.data.readers.unpacked import check_unpacked, most_bytes
from liftune.errors import DataError, lacks_memory

#: Rows decoded at once.
_BATCH = 4_096
#: A row takes at least so much memory, although it may take no byte of the file.
_BYTES_OF_A_ROW = 16
_ASKED = re.compile(r"of size (\d+)")


def open_parquet(file: RawFile) -> Stream:
    """The rows of a Parquet file, in constant memory if it is on disk and not gzipped.

    Raises:
        DataError: not Parquet, no rows, or two columns of one name.
    """
    import pyarrow.parquet

    path = file.plain_path
    data = b"" if path else file.read()
    size = path.stat().st_size if path else len(data)
    if not size:
        raise DataError("the file is empty", where=file.where, hint="give a Parquet file with rows")

    @contextmanager
    def opened() -> Iterator[Any]:
        with damage(file.where, "Parquet", size), pyarrow.parquet.ParquetFile(path or io.BytesIO(data)) as content:
            yield content

    def batches(columns: tuple[str, ...]) -> Iterator[Any]:
        with opened() as content:
            yield from content.iter_batches(batch_size=_BATCH, columns=list(columns))

    with opened() as content:
        check_unpacked(content.metadata.num_rows * _BYTES_OF_A_ROW, size, file.where)
        return columnar_stream(file.where, content.schema_arrow, content.metadata.num_rows, batches)


@contextmanager
def damage(where: str, kind: str, size: int) -> Iterator[None]:
    """Turn what pyarrow raises over a damaged file into a DataError.

    Args:
        size: of the file, in bytes: where more memory was asked for than it could fill, a length in it is damaged.
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        asked = _ASKED.search(str(error))
        if lacks_memory(error) and not (asked and int(asked[1]) > most_bytes(size)):
            raise
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"not {'an' if kind[0] in 'AEIOU' else 'a'} {kind} file: {said}",
            where=where,
            hint=f"write it again as {kind}, or name it by what it is (.csv, .tsv, .jsonl)",
        ) from None
