"""Memory: how much there is, how its lack is recognised, what is done then."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from liftune.errors import DataError, OutOfMemory, lacks_memory
from liftune.hardware import memory
from liftune.hardware.memory import MIB, Passes, memory_errors, room

#: As the libraries word them.
SPELLINGS = {
    "python": MemoryError(),
    "numpy": np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("float32")),
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cuda": RuntimeError("CUDA error: out of memory"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    "onednn": RuntimeError("could not create a primitive"),
    "onednn runs": RuntimeError("could not execute a primitive"),
    "allocator": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 4194304000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "windows": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 16 bytes."),
    "c++": RuntimeError("std::bad_alloc"),
    "onnxruntime": RuntimeError(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bad allocation: Failed to allocate memory"
    ),
    "system": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "safetensors": Exception("Error while deserializing header: Cannot allocate memory (os error 12)"),
    "thread": RuntimeError("can't start new thread"),
    "library": ImportError("libtorch_cpu.so: failed to map segment from shared object"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_lack_of_memory_is_recognised_in_every_spelling(name: str) -> None:
    """Libraries agree on neither class nor words."""
    assert lacks_memory(SPELLINGS[name])


@pytest.mark.parametrize("name", SPELLINGS)
def test_it_is_recognised_below_what_a_library_made_of_it(name: str) -> None:
    """Transformers wraps what reading the weights raises."""
    wrapped = OSError("Unable to load weights")
    wrapped.__cause__ = SPELLINGS[name]
    assert lacks_memory(wrapped)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("could not convert string to float: 'out of memory'"),
        KeyError("not enough memory"),
        DataError("the label 'out of memory' is unknown"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        OSError(errno.ENOSPC, "No space left on device"),
        None,
    ],
)
def test_other_errors_are_not_taken_for_it(error: BaseException | None) -> None:
    """A user's own text may speak of memory."""
    assert not lacks_memory(error)


@pytest.mark.parametrize("name", SPELLINGS)
def test_it_becomes_an_error_that_says_what_there_is(name: str) -> None:
    """In the place of a traceback."""
    said = pytest.raises(OutOfMemory, match=r"memory ran short while reading: [\d,]+ MiB")
    with said as caught, memory_errors("reading"):
        raise SPELLINGS[name]
    assert caught.value.hint


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9999 kB\nMemAvailable: 2048 kB\n"}


def test_the_machine_says_what_is_free(tmp_path: Path) -> None:
    """Where nothing limits the process."""
    assert room(system(tmp_path, MEMINFO)) == memory.Room(2 * MIB, "free on the machine")


def test_control_groups_of_version_two_count_with_those_above_them(tmp_path: Path) -> None:
    """The tightest counts; pages of files are no loss."""
    group = "sys/fs/cgroup/jobs"
    files = {
        "proc/self/cgroup": "0::/jobs/mine\n",
        f"{group}/mine/memory.max": "max\n",
        f"{group}/mine/memory.current": "100\n",
        f"{group}/memory.max": f"{MIB}\n",
        f"{group}/memory.current": "1000\n",
        f"{group}/memory.stat": "anon 5\ninactive_file 300\n",
    }
    assert room(system(tmp_path, MEMINFO | files)) == memory.Room(MIB - 700, "left of the 1 MiB of its control group")


def test_control_groups_of_version_one_count(tmp_path: Path) -> None:
    """In a container the group is mounted as the root."""
    files = {
        "proc/self/cgroup": "5:cpu:/a\n4:memory:/docker/abc\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{MIB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
    }
    assert room(system(tmp_path, MEMINFO | files)) == memory.Room(MIB - 1000, "left of the 1 MiB of its control group")


def test_the_limit_of_the_address_space_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ulimit -v` and `prlimit --as` set it."""
    monkeypatch.setattr(
        resource, "getrlimit", lambda which: (3 * MIB, 3 * MIB) if which == resource.RLIMIT_AS else (-1, -1)
    )
    files = {"proc/self/status": "VmSize:\t2048 kB\n"}
    assert room(system(tmp_path, MEMINFO | files)) == memory.Room(MIB, "left of the 3 MiB of ulimit -v")


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_pass_that_does_not_fit_is_halved_until_it_does(name: str) -> None:
    """Every row is computed once, and what was learnt of the size holds for the next pass."""
    done: list[int] = []
    tried: list[int] = []

    def compute(rows: np.ndarray) -> None:
        tried.append(len(rows))
        if len(rows) > 3:
            raise SPELLINGS[name]
        done.extend(rows.tolist())

    passes = Passes()
    passes(compute, np.arange(10), len)
    passes(compute, np.arange(10, 20), len)
    assert sorted(done) == list(range(20))
    assert sum(size > 3 for size in tried) == 2


def test_a_single_row_that_does_not_fit_is_refused() -> None:
    """It cannot be halved."""

    def compute(rows: np.ndarray) -> None:
        raise MemoryError

    with pytest.raises(OutOfMemory, match="one row by itself"):
        Passes()(compute, np.arange(5), len)


def test_other_errors_of_a_pass_are_not_repeated() -> None:
    """They would only come again."""
    tried = []

    def compute(rows: np.ndarray) -> None:
        tried.append(1)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Passes()(compute, np.arange(5), len)
    assert len(tried) == 1


def test_a_limit_too_small_for_the_libraries_is_refused_before_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the address space ends, OpenBLAS hangs and torch aborts. Following the hint is accepted."""
    limits = [300 * MIB]
    monkeypatch.setattr(
        resource, "getrlimit", lambda which: (limits[0], -1) if which == resource.RLIMIT_AS else (-1, -1)
    )
    root = system(tmp_path, MEMINFO | {"proc/self/status": "VmSize:\t102400 kB\n"})
    with pytest.raises(OutOfMemory, match="1,000 MiB of address space; there are 200 MiB left of the 300 MiB") as said:
        memory.check_loading(memory.LOADING, root)
    limits[0] = 1024 * int((said.value.hint or "").rpartition(" ")[2])
    memory.check_loading(memory.LOADING, root)
    limits[0] = resource.RLIM_INFINITY
    memory.check_loading(memory.LOADING, root)
