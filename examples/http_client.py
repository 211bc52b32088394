"""Ask a server of liftune, with nothing but Python's standard library.

    liftune serve mood=runs/tune-csv                     # in another terminal
    python examples/http_client.py --model mood "At last!" "Who parked here again?"

A token of the server is read from LIFTUNE_TOKEN. A server that is busy answers 503 and says when to come back: this
client waits and asks again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def classify(address: str, texts: list[str], *, model: str | None = None, tries: int = 4) -> list[dict[str, Any]]:
    """One result a text, in order.

    Raises:
        HTTPError: the server refuses the request, or is still busy after so many tries.
    """
    body = {"texts": texts} if model is None else {"texts": texts, "model": model}
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("LIFTUNE_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    for left in reversed(range(tries)):
        try:
            with urlopen(Request(f"{address}/v1/classify", json.dumps(body).encode(), headers)) as answer:
                results: list[dict[str, Any]] = json.load(answer)["results"]
                return results
        except HTTPError as error:
            if error.code != 503 or not left:
                raise
            time.sleep(float(error.headers.get("Retry-After", 1)))
    raise AssertionError("the last try has returned or raised")


def main() -> None:
    """Print a line a text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--model", help="which of the served models; one alone needs no name")
    asked = parser.parse_args()
    try:
        results = classify(asked.address, asked.texts, model=asked.model)
    except HTTPError as error:
        problem = json.loads(error.read())  # an object of title, detail, where and hint
        raise SystemExit(f"{problem['title']}: {problem.get('detail')}\n{problem.get('hint', '')}") from None
    for text, result in zip(asked.texts, results, strict=True):
        print(result["label"], f"{max(result['probabilities'].values()):.0%}", text)


if __name__ == "__main__":
    main()
