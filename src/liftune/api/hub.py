"""`push`: a run's tuned model on the hub.

In: a run, a repository's name.  Out: what was sent.
Not here: any work; reading from the hub, whose ids `load` and others take.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from liftune import arguments
from liftune.api.calls import verb
from liftune.errors import EXTRAS, need

if TYPE_CHECKING:
    from liftune.exports.push import Pushed


@verb
def push(
    run: str | os.PathLike[str],
    to: str,
    *,
    format: str = "adapter",
    public: bool = False,
    accept_license: bool = False,
    dry_run: bool = False,
    trust_remote_code: bool = False,
) -> Pushed:
    """Send a run's tuned model to the Hugging Face hub, in one commit: never rows, texts or the report.

    The token is that of `hf auth login` or HF_TOKEN.

    Args:
        to: `ORG/NAME`; made where there is none, and private.
        format: adapter, merged (the whole model) or bundle (runs without torch).
        public: for everybody to see.
        accept_license: go on where the base model's licence forbids to hand on changed copies, or is unknown.
        dry_run: send nothing; the result says what would be sent.
        trust_remote_code: run Python code that comes with the model, where exporting it needs some.

    Returns:
        repository, url, commit, files with their bytes, the base's licence and what it means.
    """
    need(*EXTRAS["tune"])
    from liftune.exports.push import push as send

    return send(
        arguments.path(run, "run"),
        arguments.text(to, "to"),
        format=arguments.text(format, "format"),
        public=arguments.switch(public, "public"),
        accept_license=arguments.switch(accept_license, "accept_license"),
        dry_run=arguments.switch(dry_run, "dry_run"),
        trust_remote_code=arguments.switch(trust_remote_code, "trust_remote_code"),
    )
