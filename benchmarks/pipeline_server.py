"""The server that one finds in tutorials: FastAPI around a transformers pipeline, the adapter unmerged.

In: an adapter folder, by argument.  Out: the same answers over HTTP; its port is the first line of stdout.
Not here: anything of liftune.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from peft import PeftModel
from pydantic import BaseModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.utils import logging


class Question(BaseModel):
    """Texts."""

    texts: list[str]


def main(folder: str, base: str) -> None:
    """Load, then serve until stopped."""
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    card = json.loads((Path(folder) / "liftune.json").read_text(encoding="utf-8"))
    plain = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(card["labels"]))
    model: Any = PeftModel.from_pretrained(plain, folder).eval()
    model.config.id2label = dict(enumerate(card["labels"]))
    tokenizer = AutoTokenizer.from_pretrained(base)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    app = FastAPI()

    @app.post("/v1/classify")
    def answer(question: Question) -> dict[str, Any]:
        return {"results": classify(question.texts, batch_size=32, truncation=True)}

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen(1024)
    print(bound.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[bound])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
