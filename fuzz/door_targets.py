"""The doors that people use: command lines, texts, requests over HTTP.

In: arguments, texts and bodies of any kind.  Out: targets.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import zlib
from pathlib import Path
from random import Random

from fuzz.mutations import any_text, arguments, broken_bytes, broken_json, dumped
from fuzz.target import Target, each, target
from fuzz.tokens import TOKENS, VALUES
from liftune.cli.main import main
from liftune.inference.opening import load_predictor
from liftune.spec import OPTIONS, RunSpec
from liftune.spec_text import command_line

_VALUES = [
    *(each.decode("utf-8", "surrogateescape").replace("\0", "") for each in TOKENS if len(each) < 3_000),
    "a" * 300, "rows.csv", "run", "run/adapter", "bundle", "base", ".", "/", "/dev/null", "/dev/full", "/proc/self/mem", "~nobody/x",
    "x.csv", "x.parquet", "x.html", "\udcff.csv", "lora", "rank=1000000", "rank=-1", "rank=nan", "lora.rank=8", "tuned", "0.5", "1,2",
    "https://localhost:1/x.csv", "sample:emotions", "sample:x", "-", "--", "text", "label", "a=b", "cpu", "cuda:9", "float32",
]  # fmt: skip


@target("cli")
def command_lines() -> Target:
    """Arguments of the commands that compute little."""
    Path("rows.csv").write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(12)))
    commands = ("inspect", "inspect", "predict", "report", "compare", "list", "export", "serve")
    options = [f"--{name.replace('_', '-')}" for name in OPTIONS]
    options += [
        "--json",
        "--in",
        "--out",
        "--use",
        "--base",
        "--min-precision",
        "--format",
        "--to",
        "--limit",
        "--drop",
        "-q",
    ]
    inputs = arguments(commands, options, _VALUES)
    return Target("cli", inputs, _run_command, dumped(["predict", "run", "--in", "rows.csv", "--out", "whole.csv"]))


def _run_command(data: bytes) -> None:
    try:
        argv = json.loads(data)
    except ValueError:
        return
    if not isinstance(argv, list) or not argv or not all(isinstance(each, str) for each in argv):
        return
    if argv[0] == "inspect" and (len(argv) == 1 or argv[1].startswith("-")):  # the sample's 1,680 rows take seconds
        argv.insert(1, "rows.csv")
    if argv[0] == "serve":  # it would serve
        argv += ["--port", "x"]
    if any(word.startswith(("/proc", "/dev/zero")) for word in argv):
        return
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        main(argv)


@target("options")
def option_values() -> Target:
    """Every option of `tune`, checked and written as a command again."""
    names = list(OPTIONS)
    odd = [*_VALUES, *VALUES]

    def made(random: Random) -> bytes:
        chosen = random.sample(names, random.randint(0, 4))
        return dumped({name: random.choice(odd) if random.random() < 0.9 else any_text(random, 8) for name in chosen})

    def read(data: bytes) -> None:
        try:
            values = json.loads(data)
        except ValueError:
            return
        if isinstance(values, dict):
            each(lambda: command_line(RunSpec.of(**values)), lambda: command_line(RunSpec.checked(values)))

    return Target("options", made, read)


@target("texts")
def texts() -> Target:
    """Texts of any kind, asked of an adapter and a bundle."""
    adapter, bundle = load_predictor("run"), load_predictor("bundle")
    samples = [b"a usual text", "caf\u00e9 \U0001f600".encode(), *(each for each in TOKENS if each)]

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
        model = (adapter, bundle)[zlib.crc32(data) % 2]
        each(lambda: [found.line() for found in model.predict([text, text[:9]])])

    return Target("texts", broken_bytes(samples), read)


@target("http")
def requests() -> Target:
    """Bodies and heads of requests."""
    from serving import fake_app
    from starlette.testclient import TestClient

    client = TestClient(fake_app(Path(tempfile.mkdtemp(dir="."))), raise_server_exceptions=True)
    client.__enter__()  # for as long as the process
    bodies = [
        {"model": "two", "texts": ["a", "ab"]},
        {"model": "pair", "texts": ["a"], "pairs": ["b"]},
        {"path": "six"},
    ]
    bodies += [{"texts": ["a"], "min_precision": 0.9, "with_base": True}, {"input": ["a"], "model": "two"}]
    paths = ("/v1/classify", "/v1/classify", "/v1/classify", "/v1/models", "/v1/embeddings", "/", "/metrics")
    body = broken_json([dumped(each) for each in bodies])

    def made(random: Random) -> bytes:
        return b"%d:" % random.randrange(21) + body(random)

    def read(data: bytes) -> None:
        at, _, body = data.partition(b":")
        number = int(at) if at.isdigit() and len(at) < 3 else 0
        path = paths[number % len(paths)]
        kind = ("application/json", "text/plain", "application/json; charset=utf-16")[number // 7 % 3]
        response = client.post(path, content=body, headers={"content-type": kind})
        if response.status_code == 500:
            raise AssertionError(f"500 of {path}: {response.text[:200]}")

    return Target("http", made, read)
