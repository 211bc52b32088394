"""Fill the disk under a run at many moments, give the same command again with room, and compare every file.

    unshare --map-root-user --mount python tests/support/full_disk.py PLACE MOMENTS [OPTION=VALUE ...]

In: a folder to work in, how many moments, options of `tune`.  Out: a line of JSON for each: the file before which the
disk filled up, the stage, what was said, what is wrong with what stayed, which files differ in the end.
Not here: what is asserted (faults/test_full_disk.py).

The disk is a tmpfs: what fails is every writer's own call, of Python's and of the libraries'.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import killing

#: Of the disk. A run is refused before its first write where much less is free.
SIZE = "256m"
FILLER = "filler"


def mount(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, spare: int) -> None:
    """Leave so many bytes free."""
    usage = os.statvfs(disk)
    with (disk / FILLER).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, usage.f_bavail * usage.f_frsize - spare))


def watch(disk: Path, seen: list[str], before: str | None, spare: int) -> None:
    """Note each file that this process begins to write, and fill the disk before one of them."""
    import safetensors.numpy
    import safetensors.torch

    def begins(path: str) -> None:
        name = os.path.relpath(path, disk)
        if name.startswith("..") or name == FILLER or name in seen:
            return
        seen.append(name)
        if name == before:
            fill(disk, spare)

    def hook(event: str, arguments: Any) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            begins(os.fspath(arguments[0]))

    sys.addaudithook(hook)
    for module in (safetensors.numpy, safetensors.torch):
        write = module.serialize_file

        def watched(tensors: Any, filename: Any, *rest: Any, write: Any = write, **named: Any) -> Any:
            begins(os.fspath(filename))
            return write(tensors, filename, *rest, **named)

        module.serialize_file = watched


def run(options: dict[str, Any], place: Path, before: str | None = None, spare: int = 0) -> tuple[int, list[str]]:
    """A run in a fork: 0, 2 for a LiftuneError, 3 for anything else; and which files it began to write.

    Args:
        before: the file before which the disk fills up.
        spare: bytes that are then still free.
    """
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, json.loads((place / "seen").read_text())
    from liftune import LiftuneError

    seen: list[str] = []
    code, said = 0, ""
    watch(place / "disk", seen, before, spare)
    try:
        killing.run(options, place / "disk" / "run", place / "stage")
    except LiftuneError as error:
        code, said = 2, str(error)
    except BaseException as error:
        code, said = 3, "".join(traceback.format_exception(error))
    (place / "said").write_text(said)
    (place / "seen").write_text(json.dumps(seen))
    os._exit(code)


def halves(out: Path) -> list[str]:
    """Files that are not whole."""
    import numpy as np
    from safetensors import safe_open

    found = []
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        try:
            if path.name.endswith(".new") or any(part.endswith(".partial") for part in path.parts):
                raise ValueError("not in place")
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".jsonl":
                [json.loads(line) for line in path.read_text().splitlines()]
            elif path.suffix == ".npz":
                with np.load(path) as file:
                    [file[name] for name in file.files]
            elif path.suffix == ".safetensors":
                with safe_open(path, framework="pt") as file:
                    [file.get_tensor(name) for name in list(file.keys())]
            elif path.suffix in (".md", ".html") and not path.read_text().strip():
                raise ValueError("empty")
        except Exception as error:
            found.append(f"{path.relative_to(out)}: {error!r}")
    return found


def main(place: Path, moments: int, options: dict[str, Any]) -> None:
    for module in killing.IMPORTED:
        importlib.import_module(module)
    said, disk = place / "said", place / "disk"
    mount(disk)
    code, written = run(options, place)
    assert code == 0, said.read_text()
    expected = killing.files_of(disk / "run")
    unmount(disk)
    draw = random.Random(moments)
    for number in range(moments):
        before = written[(2 * number + 1) * len(written) // (2 * moments)]
        mount(disk)
        code, _ = run(options, place, before, spare=4096 * draw.choice([0, 0, 1, 3]))
        line = {"before": before, "stage": (place / "stage").read_text(), "code": code, "said": said.read_text()}
        line["full"] = (disk / FILLER).exists()
        line["halves"] = halves(disk / "run")
        (disk / FILLER).unlink(missing_ok=True)
        again, left = (0, killing.AFTERWARDS) if code == 0 else (run(options, place)[0], set())
        differ = killing.differences(expected, killing.files_of(disk / "run"))
        line["differ"] = [each for each in differ if Path(each).name not in left] if again == 0 else said.read_text()
        unmount(disk)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), killing.options_of(sys.argv[3:]))
