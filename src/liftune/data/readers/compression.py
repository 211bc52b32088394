"""Compressed files as their contents: .gz, .bz2, .xz, .zst, .lz4, and a .zip of one file.

In: a path, or bytes.  Out: a binary stream of what is packed, decompressed as it is read; bytes and streams, packed.
Not here: what the contents are (text_encoding.py, formats.py); archives of many files are only told apart (kinds.py).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import IO, Any

from liftune.data.readers.unpacked import limited
from liftune.errors import DataError, first_of, lacks_memory

#: What decompressing damaged bytes raises, besides an OSError without a number.
DAMAGE = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Compression:
    """A way in which a file is packed."""

    name: str
    ending: str
    magic: bytes
    """Its first bytes, by which it is recognised whatever its name."""
    opened: Callable[[Any], Any]
    """A path or a binary stream -> a binary stream of the contents."""
    packed: Callable[[bytes], bytes] | None = None
    """Contents -> a whole file of them; files that follow each other are one. None: it is only read."""
    packing: Callable[[Any], Any] | None = None
    """A binary stream -> a stream to write contents to, which packs them and is to be closed."""


def _by_arrow(name: str) -> Callable[[Any], Any]:
    def opened(file: Any) -> Any:
        import pyarrow

        source = pyarrow.OSFile(str(file)) if isinstance(file, Path) else pyarrow.PythonFile(file, mode="r")
        return pyarrow.CompressedInputStream(source, name)

    return opened


def _packed_by_arrow(name: str) -> Callable[[bytes], bytes]:
    def packed(data: bytes) -> bytes:
        import pyarrow

        return bytes(pyarrow.Codec(name).compress(data, asbytes=True))

    return packed


class _LeftOpen(io.RawIOBase):
    """A stream that whoever writes to it does not close."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return int(self._file.write(data))


def _packing_by_arrow(name: str) -> Callable[[Any], Any]:
    def packing(file: Any) -> Any:
        import pyarrow

        return pyarrow.CompressedOutputStream(pyarrow.PythonFile(_LeftOpen(file), mode="w"), name)

    return packing


def _gzip_member(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _into_gzip(file: Any) -> Any:
    return gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)


def _only_member(file: Any) -> Any:
    archive = zipfile.ZipFile(file)
    names = members(archive)
    if len(names) != 1:
        raise DataError(
            f"a zip archive of {len(names)} files: {first_of(names, 5)}" if names else "a zip archive without a file",
            where=str(file) if isinstance(file, Path) else None,
            hint="unzip it into a folder (unzip FILE -d FOLDER) and name the folder or one of its files",
        )
    if archive.getinfo(names[0]).flag_bits & 1:
        raise DataError("an encrypted zip archive", hint="unzip it with its password, and name the file in it")
    return archive.open(names[0])


COMPRESSIONS = (
    Compression("gzip", ".gz", b"\x1f\x8b", gzip.open, _gzip_member, _into_gzip),
    Compression("bzip2", ".bz2", b"BZh", bz2.open, bz2.compress, partial(bz2.BZ2File, mode="wb")),
    Compression("xz", ".xz", b"\xfd7zXZ\x00", lzma.open, lzma.compress, partial(lzma.LZMAFile, mode="wb")),
    Compression(
        "zstd", ".zst", b"\x28\xb5\x2f\xfd", _by_arrow("zstd"), _packed_by_arrow("zstd"), _packing_by_arrow("zstd")
    ),
    Compression(
        "lz4", ".lz4", b"\x04\x22\x4d\x18", _by_arrow("lz4"), _packed_by_arrow("lz4"), _packing_by_arrow("lz4")
    ),
    Compression("zip", ".zip", b"PK\x03\x04", _only_member),
)
ENDINGS = tuple(each.ending for each in COMPRESSIONS)


def without_ending(name: str) -> str:
    """A file's name without the ending of its compression.

    >>> without_ending("train.csv.gz"), without_ending("train.CSV.XZ"), without_ending("train.csv")
    ('train.csv', 'train.CSV', 'train.csv')
    """
    ending = next((each for each in ENDINGS if name.lower().endswith(each)), "")
    return name[: len(name) - len(ending)]


def compression_of(first: bytes, filename: str) -> Compression | None:
    """How a file is packed, by its first bytes. A zip counts only by its name too: workbooks are zip files as well."""
    for each in COMPRESSIONS:
        if first.startswith(each.magic) and (each.name != "zip" or filename.lower().endswith(each.ending)):
            return each
    return None


def promised(filename: str) -> Compression | None:
    """How a file is packed, by its name."""
    return next((each for each in COMPRESSIONS if filename.lower().endswith(each.ending)), None)


def open_contents(file: Path | bytes, filename: str, where: str) -> IO[bytes]:
    """The contents of a file, decompressed as they are read.

    Raises:
        DataError: its name promises a compression that it has not, it is damaged from the start on, or it is a zip
            of several files.
        OSError: it cannot be read.
    """
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file) as start:
        first = start.read(8)
    found, expected = compression_of(first, filename), promised(filename)
    if found is None:
        if expected and first:
            raise DataError(
                f"named {expected.ending} but not {expected.name}",
                where=where,
                hint=f"take {expected.ending} off its name, or compress it",
            )
        return file.open("rb") if isinstance(file, Path) else io.BytesIO(file)
    try:
        packed = file.stat().st_size if isinstance(file, Path) else len(file)
        return limited(found.opened(file if isinstance(file, Path) else io.BytesIO(file)), packed, where)
    except DataError as error:
        raise DataError(error.message, where=where, hint=error.hint) from None
    except (*DAMAGE, ValueError, NotImplementedError, RuntimeError, struct.error) as error:  # zipfile's, over headers
        if lacks_memory(error):
            raise
        raise _damaged(error, where) from None


@contextmanager
def decompressing(where: str) -> Iterator[None]:
    """Turn what reading a damaged or unreadable file raises into a DataError."""
    try:
        yield
    except DAMAGE as error:
        if lacks_memory(error):
            raise
        raise _damaged(error, where) from None
    except OSError as error:
        if lacks_memory(error):
            raise
        if error.errno is None:  # what gzip, bz2 and pyarrow raise over damaged bytes
            raise _damaged(error, where) from None
        raise DataError(
            f"the file cannot be read: {(error.strerror or str(error)).lower()}",
            where=where,
            hint="check the file and its permissions",
        ) from None


def _damaged(error: Exception, where: str) -> DataError:
    return DataError(
        f"damaged {_kind(where)}file: {error}", where=where, hint="write or download the file again, whole"
    )


def _kind(where: str) -> str:
    found = promised(where)
    return f"{found.name} " if found else "compressed "


def members(archive: zipfile.ZipFile) -> list[str]:
    """The files of an archive, without what macOS adds to it."""
    paths = [PurePath(each.filename) for each in archive.infolist() if not each.is_dir()]
    return [str(path) for path in paths if path.parts[0] != "__MACOSX" and not path.name.startswith(".")]


def zipped_name(data: Path | bytes) -> str | None:
    """The name of the one file in a zip archive; None where there are several, or it is no zip archive."""
    try:
        with zipfile.ZipFile(data if isinstance(data, Path) else io.BytesIO(data)) as archive:
            names = members(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, struct.error):
        return None
    return PurePath(names[0]).name if len(names) == 1 else None
