"""The command line: `python -m benchmarks [MODE] [OPTION ...]`, of MODES.

In: arguments.  Out: an exit code: 1 where a contender failed.  Not here: any work.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

MODES = {
    "speed": "rows and tokens a second and peak memory of every contender",
    "quick": "a few ratios in a few minutes, beside those that were last kept for this processor",
    "gpu": "all of these that a CUDA device is asked, in ten minutes and one JSON",
    "accuracy": "test accuracy of two contenders over seeds, and the interval of their difference",
    "time-to-accuracy": "seconds to the validation accuracy that best stock ends with",
    "defaults": "liftune's defaults on many data sets, against four other ways on the same rows",
    "few": "liftune tune against SetFit with a few rows of each label",
    "scaling": "time a token and peak memory of ours over the number of rows",
    "predict": "a file of rows answered: a run, its bundles, and a transformers pipeline",
    "serve": "requests a second and latencies of our server and one around a pipeline",
    "label": "labels that each strategy of `liftune label` saves against random choice",
    "long": "messages far behind the beginning of long texts, read by each rule of --long",
    "explain": "how faithful explanations are: words removed in their order, against random order",
    "many": "throughput and memory of many adapters on one base, against one merged model",
}
RESULTS = Path(__file__).parent / "results"
CAP = 512


def main(argv: Sequence[str] | None = None) -> int:
    """Run a mode, or one contender in this process."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["contender"]:
        return contender(given[1])
    if not given or given[0] not in {*MODES, "-h", "--help"}:
        given = ["speed", *given]
    arguments = parser().parse_args(given)
    if "max_length" in arguments:
        arguments.model, arguments.max_length = settled(arguments.model, arguments.max_length)
    run = importlib.import_module(f"benchmarks.{arguments.mode.replace('-', '_')}").run
    return int(run(arguments))


def contender(work: str) -> int:
    """One contender's run in this process; its Result is the last line of stdout."""
    from benchmarks.contender import run
    from benchmarks.work import Work

    print(json.dumps(run(Work.from_json(work)).as_dict()))
    return 0


def settled(model: str, max_length: int) -> tuple[str, int]:
    """The model as any library finds it, and how many tokens of a row it can read: all contenders get the same."""
    from liftune.models.checkpoint import locate

    source = locate(model).source if model == "minilm" or Path(model).exists() else model
    config = Path(source) / "config.json"
    if config.exists():
        facts = json.loads(config.read_text(encoding="utf-8"))
        # RoBERTa's positions start behind that of the padding.
        offset = facts["pad_token_id"] + 1 if facts.get("model_type") == "roberta" else 0
        max_length = min(max_length, facts.get("max_position_embeddings", max_length) - offset)
    return str(source), max_length


def names(text: str) -> list[str]:
    """a,b as a list of known contenders."""
    from benchmarks.contender import MODULES

    contenders = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in contenders if name not in MODULES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no contender {', '.join(unknown)}; there are: {', '.join(MODULES)}")
    return contenders


def two(text: str) -> list[str]:
    """a,b as exactly two contenders."""
    contenders = names(text)
    if len(set(contenders)) != 2:
        raise argparse.ArgumentTypeError("name two contenders: the difference is the first minus the second")
    return contenders


def numbers(text: str) -> list[int]:
    """0,1,2 as a list."""
    return [int(part) for part in text.split(",")]


def pairs(text: str) -> dict[str, str]:
    """a=1,b=2 as a dict."""
    return dict(part.split("=", 1) for part in text.split(",") if part)


def parser() -> argparse.ArgumentParser:
    """Every mode's options; without files they run on what comes with liftune."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    modes = top.add_subparsers(dest="mode", metavar="MODE", required=True)
    parsers = {name: modes.add_parser(name, help=text, description=text) for name, text in MODES.items()}
    add_predict(parsers["predict"])
    add_defaults(parsers["defaults"])
    add_label(parsers["label"])
    add_long(parsers["long"])
    add_explain(parsers["explain"])
    add_few(parsers["few"])
    add_gpu(parsers["gpu"])
    apart = {"gpu", "predict", "quick", "defaults", "label", "long", "explain", "few"}
    for mode in (mode for name, mode in parsers.items() if name not in apart):
        mode.add_argument("--train", default="sample:emotions", help="file, folder or sample of train rows")
        mode.add_argument("--test", help="file of test rows; the source's own, or split off from train, if not given")
        mode.add_argument("--model", default="minilm", help="local folder or hub id of a DistilBERT, BERT or RoBERTa")
        mode.add_argument("--max-length", type=int, default=CAP, help="tokens kept of each row")
        mode.add_argument("--out", default=str(RESULTS), help="folder for JSON and plot")
        mode.add_argument("--python", type=pairs, default={}, help="NAME=INTERPRETER of a contender apart")
    add_speed(parsers["speed"])
    add_quick(parsers["quick"])
    add_accuracy(parsers["accuracy"])
    add_time(parsers["time-to-accuracy"])
    sizes = [1_000, 3_000, 10_000, 30_000, 100_000]
    parsers["scaling"].add_argument("--sizes", type=numbers, default=sizes, help="numbers of train rows: N,N,...")
    parsers["scaling"].add_argument("--contender", default="ours", help="whom to watch")
    add_serving(parsers["serve"], parsers["many"])
    return top


def add_serving(serve: argparse.ArgumentParser, many: argparse.ArgumentParser) -> None:
    """Options of `serve` and `many`."""
    for mode in (serve, many):
        mode.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="of ours")
        mode.add_argument("--repeats", type=int, default=5, help="rounds in turn")
    serve.add_argument("--connections", type=int, default=64, help="each with one request at a time")
    serve.add_argument("--requests", type=int, default=4_000, help="to ours, each round")
    serve.add_argument("--fewer", type=int, default=8, help="to the pipeline one in so many, as its rate is steady")
    many.add_argument("--adapters", type=int, default=50, help="on one base")
    many.add_argument("--rows", type=int, default=64, help="of a batch, to the adapters in turn")


def add_speed(mode: argparse.ArgumentParser) -> None:
    """Options of `speed`."""
    everyone = "notebook,stock,best-stock,setfit,adapters,ours-plain,ours"
    mode.add_argument("--contenders", type=names, default=names(everyone), help=f"of {everyone}")
    mode.add_argument("--rows", type=int, default=512, help="train rows")
    mode.add_argument("--rows-for", type=pairs, default={}, help="NAME=ROWS,...: fewer for slow ones (notebook=64)")
    mode.add_argument("--test-rows", type=int, default=2_000, help="a sample of the test rows, with --evaluate")
    mode.add_argument("--repeats", type=int, default=3, help="rounds in turn")
    mode.add_argument("--epochs", type=int, default=1, help="timed passes over the rows")
    mode.add_argument("--warmup-steps", type=int, default=2, help="optimizer steps before the clock starts")
    mode.add_argument("--evaluate", action="store_true", help="score the test rows too")
    add_best_stock(mode)


def add_quick(mode: argparse.ArgumentParser) -> None:
    """Options of `quick`."""
    from benchmarks.quick import KEPT

    mode.add_argument("--model", default="minilm", help="local folder or hub id of a DistilBERT, BERT or RoBERTa")
    mode.add_argument("--max-length", type=int, default=CAP, help="tokens kept of each row")
    mode.add_argument("--repeats", type=int, default=2, help="rounds in turn")
    mode.add_argument("--kept", default=str(KEPT), help="file of figures by processor")
    mode.add_argument("--keep", action="store_true", help="put these figures there, in place of this processor's")


def add_gpu(mode: argparse.ArgumentParser) -> None:
    """Options of `gpu`."""
    from benchmarks.gpu import SIZES

    mode.add_argument("--minutes", type=float, default=8.0, help="after which no part is begun or gone on with")
    mode.add_argument("--parts", type=lambda text: text.split(";"), default=[], help="'NAME;NAME' instead of all")
    mode.add_argument("--size", default="whole", choices=tuple(SIZES), help="of the models that are drawn")
    mode.add_argument("--repeats", type=int, default=3, help="rounds in turn")
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_accuracy(mode: argparse.ArgumentParser) -> None:
    """Options of `accuracy`."""
    mode.add_argument("--contenders", type=two, default=["ours", "ours-plain"], help="two: first minus second")
    mode.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="N,N,...")
    mode.add_argument("--rows", type=int, help="train rows; all if not given")
    mode.add_argument("--test-rows", type=int, help="a sample of the test rows; all if not given")
    mode.add_argument("--epochs", type=int, default=3, help="passes over train")
    mode.add_argument("--best-stock", default="", help="configuration, if best-stock is one of the two")


def add_time(mode: argparse.ArgumentParser) -> None:
    """Options of `time-to-accuracy`."""
    mode.add_argument("--rows", type=int, help="train rows; all if not given")
    mode.add_argument("--repeats", type=int, default=1, help="rounds, each with a seed of its own")
    mode.add_argument("--epochs", type=int, default=3, help="of stock")
    mode.add_argument("--ladder", action="store_true", help="ours: the whole command, baselines included")
    add_best_stock(mode)


def add_predict(mode: argparse.ArgumentParser) -> None:
    """Options of `predict`."""
    from benchmarks.predict import CONTENDERS

    mode.add_argument("--run", help="folder that `liftune tune` wrote, of single texts with one label each")
    mode.add_argument("--data", help="file of texts; the run's test rows if not given")
    mode.add_argument("--text", help="its column")
    mode.add_argument("--rows", type=int, default=2_000, help="rows of a round")
    mode.add_argument("--repeats", type=int, default=5, help="rounds in turn")
    mode.add_argument("--onnx", help="bundle; exported for the occasion if not given")
    mode.add_argument("--int8", help="the same in 8 bits")
    mode.add_argument("--contenders", type=lambda text: text.split(","), default=list(CONTENDERS), help="NAME,...")
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_defaults(mode: argparse.ArgumentParser) -> None:
    """Options of `defaults`."""
    mode.add_argument("data", nargs="+", help="files, folders or samples, as `liftune tune` takes them")
    mode.add_argument("--model", default="minilm", help="local folder of a DistilBERT, BERT or RoBERTa, or minilm")
    mode.add_argument("--train-rows", type=int, default=8_000, help="at most so many of each; 0 takes all")
    mode.add_argument("--precision", default="float32", choices=("float32", "bfloat16"), help="of the Trainer scripts")
    mode.add_argument("--tune", type=str.split, default=[], help="more options of liftune tune, as one word")
    mode.add_argument("--runs", default=str(RESULTS / "defaults"), help="folder of runs; finished ones are kept")
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_label(mode: argparse.ArgumentParser) -> None:
    """Options of `label`."""
    from liftune.labelling.strategies import STRATEGIES

    mode.add_argument("data", nargs="+", help="files, folders or samples with one label a row")
    mode.add_argument("--model", default="minilm", help="whose features are read")
    mode.add_argument("--strategies", type=lambda text: text.split(","), default=list(STRATEGIES), help="NAME,NAME")
    mode.add_argument("--start", type=int, default=50, help="labels before the first round, drawn evenly")
    mode.add_argument("--budget", type=int, default=50, help="labels of each round")
    mode.add_argument("--rounds", type=int, default=8, help="rounds")
    mode.add_argument("--seeds", type=int, default=10, help="starts")
    mode.add_argument("--pool", type=int, default=4_000, help="rows to choose from, at most")
    mode.add_argument("--test-rows", type=int, default=2_000, help="rows to score on, at most")
    mode.add_argument(
        "--runs", default=str(RESULTS / "label"), help="folder of features; those that are there are kept"
    )
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_long(mode: argparse.ArgumentParser) -> None:
    """Options of `long`."""
    from benchmarks.long import RUNS

    mode.add_argument("--messages", default="sample:emotions", help="files with labels, joined with a comma")
    mode.add_argument("--carriers", default="sample:emotions", help="files of neutral texts, joined with a comma")
    mode.add_argument("--rows", type=int, default=400, help="train rows; test has as many, validation a quarter")
    mode.add_argument("--two", action="store_true", help="two messages of one label in each text, far apart")
    mode.add_argument("--runs", type=lambda text: text.split(","), default=list(RUNS), help=f"of {','.join(RUNS)}")
    mode.add_argument("--epochs", type=int, default=6, help="at most")
    mode.add_argument("--set", type=lambda text: text.split(","), default=[], help="more of tune: NAME=VALUE,...")
    mode.add_argument("--model", default="minilm", help="local folder or hub id")
    mode.add_argument("--max-length", dest="length", type=int, help="tokens of a window; the model's own if not given")
    mode.add_argument("--doors", action="store_true", help="also compare the answers of every door")
    mode.add_argument("--out", default=str(RESULTS), help="folder of data, runs and JSON")


def add_explain(mode: argparse.ArgumentParser) -> None:
    """Options of `explain`."""
    mode.add_argument("runs", nargs="+", help="folders that `liftune tune` wrote, of one label a row")
    mode.add_argument("--contenders", type=lambda text: text.split(","), default=["tuned", "tfidf"], help="NAME,...")
    mode.add_argument("--rows", type=int, default=200, help="test rows of each run")
    mode.add_argument("--seed", type=int, default=0, help="of the sample and of random orders")
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_few(mode: argparse.ArgumentParser) -> None:
    """Options of `few`."""
    mode.add_argument("data", nargs="+", help="folders with train and test files of columns text and label")
    mode.add_argument(
        "--more", nargs="*", default=[], help="of these, binary ones to be tried with 64 rows a label too"
    )
    mode.add_argument("--model", required=True, help="local folder of the encoder, for SetFit")
    mode.add_argument("--ours-model", default="minilm", help="the same encoder, for liftune")
    mode.add_argument("--draws", type=numbers, default=[1, 2, 3, 4, 5], help="N,N,...: seeds of the draws")
    mode.add_argument("--minutes", type=float, default=15.0, help="of processor time that SetFit may train a cell")
    mode.add_argument("--sides", type=lambda text: text.split(","), default=["setfit", "ours"], help="whom to run")
    mode.add_argument("--setfit-python", default=sys.executable, help="interpreter of an environment with SetFit")
    mode.add_argument("--use", default="tuned", help="whose answers are liftune's: a contender, chosen beforehand")
    mode.add_argument("--tune", type=str.split, default=[], help="more options of liftune tune, as one word")
    mode.add_argument("--runs", default=str(RESULTS / "few"), help="folder of what is finished, which is kept")
    mode.add_argument("--out", default=str(RESULTS), help="folder for JSON")


def add_best_stock(mode: argparse.ArgumentParser) -> None:
    """How best-stock is searched for."""
    from benchmarks.search import GRID

    mode.add_argument("--best-stock", default="", help="ATTENTION:ROWSxACCUMULATION:WEIGHTS, instead of a search")
    mode.add_argument("--search-rows", type=int, default=192, help="train rows of each try of the search")
    mode.add_argument("--grid", type=lambda text: text.split(","), default=list(GRID), help="what it tries: CONFIG,...")


if __name__ == "__main__":
    sys.exit(main())
