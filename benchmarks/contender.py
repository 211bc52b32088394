"""Every contender by name, each run in a process of its own, so that peak memory is its own.

In: Work.  Out: a Result, one JSON object on stdout.  Not here: the contenders, repeats (speed.py).
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.work import Result, Work

ROOT = Path(__file__).parents[1]
#: Name -> module with `run(work)`. best-stock is stock with the configuration that the search chose.
MODULES = {
    "notebook": "benchmarks.notebook",
    "stock": "benchmarks.stock",
    "best-stock": "benchmarks.stock",
    "setfit": "benchmarks.setfit_opponent",
    "adapters": "benchmarks.adapters_opponent",
    "ours": "benchmarks.ours",
    "ours-plain": "benchmarks.ours",
}
#: Packages that need not be here; without one its contender is reported as not installed.
OPTIONAL = {"setfit": "setfit", "adapters": "adapters"}


def run(work: Work) -> Result:
    """Run a contender in this process; the clock starts before torch is imported."""
    started = time.perf_counter()
    try:
        module = importlib.import_module(MODULES[work.contender])
    except ModuleNotFoundError as error:
        if error.name != OPTIONAL.get(work.contender):
            raise
        return Result(name=work.contender, missing="not installed")
    if work.contender == "ours-plain":
        work = replace(work, accelerations="none")
    imported = time.perf_counter() - started
    result: Result = module.run(work)
    seconds = time.perf_counter() - started
    import torch

    from benchmarks.measure import peak_device_mib, peak_mib

    return replace(
        result,
        seconds=seconds,
        curve=tuple((at + imported, accuracy) for at, accuracy in result.curve),
        peak_mib=peak_mib(),
        peak_device_mib=peak_device_mib(),
        threads=torch.get_num_threads(),
    )


def launch(work: Work) -> Result:
    """Run a contender in a new process; what went wrong there is in `missing`."""
    command = [work.python or sys.executable, "-m", "benchmarks", "contender", work.to_json()]
    done = in_a_process(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        return Result(name=work.contender, config=work.config, missing=f"failed: {lines[-1]}")
    return Result.of(json.loads(done.stdout.strip().splitlines()[-1]))


def in_a_process(command: list[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a command that finds this package; what it leaves in temporary folders goes with it."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as scratch:
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": scratch}
        return subprocess.run(command, env=variables, check=False, **options)
