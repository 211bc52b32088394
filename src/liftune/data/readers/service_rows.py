"""How managed services write a labelled text as a row: chats, prompts, Vertex AI's and Ground Truth's annotations.

In: a row as it stands.  Out: its text and label, and part where it names one; or why it has none.
Not here: recognising a form from a file's rows (services.py).

Sources: the services' public documentation of their training files: OpenAI, Mistral, Cohere and Amazon Bedrock (lists
of messages; prompt and completion), Vertex AI (tuning, and text classification), SageMaker Ground Truth and Amazon
Comprehend (augmented manifests).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from liftune.errors import DataError, pasted

Row: TypeAlias = Mapping[str, Any]
_SYSTEM, _USER = frozenset({"system", "developer"}), frozenset({"user", "human"})
_ANSWER, _TOOL = frozenset({"assistant", "model", "chatbot"}), frozenset({"tool", "function"})
_ROLES = _SYSTEM | _USER | _ANSWER | _TOOL
_NO_SYSTEM, _LAST_TURN = "system prompts are left out", "of several turns the last alone is read"
_WEIGHT_0 = "an answer of weight 0 is not to be learned, and no label"
_WEIGHT_LATER = "answers of weight 0 are not to be learned: the last other one is the label"
#: What ends a prompt and a completion where files for older models were made as was advised; a line's end does, too.
_PROMPT_ENDS, _COMPLETION_ENDS = ("###", "->"), ("###", "END")
_ML_USE = "aiplatform.googleapis.com/ml_use"


@dataclass(frozen=True)
class Taken:
    """What was taken from a row."""

    cells: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """What a note says of such rows."""
    problem: tuple[str, str] | None = None
    """Why the row cannot be used, and the hint."""


@dataclass(frozen=True)
class Form:
    """How a service writes rows."""

    name: str
    taken: str
    """What is the text and what the label, as a note says it."""
    example: str
    has: Callable[[Collection[str]], bool]
    """Whether columns are those of such rows."""
    is_row: Callable[[Row], bool]
    read: Callable[[Row], Taken]
    any_label: bool = False
    """Whether columns that are named text or label are part of the form."""
    left_out: Collection[str] = ()
    """Columns in which neither text nor label can be."""


def _text_of(content: Any) -> str | None:
    """The text of a message: a string, or parts with a text each.

    Raises:
        DataError: a part is no text.
    """
    if content is None or isinstance(content, str):
        return content
    texts = []
    parts: list[Any] = content if isinstance(content, list) else [content]
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            texts.append(text)
        elif not (isinstance(part, Mapping) and part.get("thought")):
            kinds = [str(key) for key in part if key != "type" and part[key]] if isinstance(part, Mapping) else []
            raise DataError(
                f"a message holds {kinds[0] if kinds else 'a part'} that is no text",
                hint="leave such rows out with --skip-bad-rows, or write the text alone",
            )
    return "\n".join(texts) if texts else None


def _of_turns(turns: Sequence[tuple[str, Any]], *, system: bool = False) -> Taken:
    """The last user's message, and the answer to it.

    Args:
        turns: role and content of each message.
        system: whether a system prompt stands elsewhere.
    """
    if any(role in _TOOL for role, _ in turns):
        return Taken(problem=("the messages call tools", "leave such rows out with --skip-bad-rows"))
    asked = [i for i, (role, _) in enumerate(turns) if role in _USER]
    answers = [content for role, content in turns[asked[-1] :] if role in _ANSWER]
    try:
        text, label = _text_of(turns[asked[-1]][1]), _text_of(answers[-1]) if answers else None
    except DataError as error:
        return Taken(problem=(error.message, error.hint or ""))
    several = len(asked) > 1 or sum(role in _ANSWER for role, _ in turns) > 1
    system = system or any(role in _SYSTEM for role, _ in turns)
    left = (*((_NO_SYSTEM,) if system else ()), *((_LAST_TURN,) if several else ()))
    return Taken({"text": text, "label": label.strip() if label is not None else None}, left)


def _role(message: Row) -> str:
    role = message.get("role")
    return role.strip().casefold() if isinstance(role, str) else "user" if role is None else ""


def _is_chat(messages: Any, content: str) -> bool:
    if not isinstance(messages, list) or not messages:
        return False
    needed = ({"role", "content"}, {"role", "tool_calls"}) if content == "content" else ({content},)
    roles = [
        _role(each) for each in messages if isinstance(each, Mapping) and any(keys <= set(each) for keys in needed)
    ]
    return len(roles) == len(messages) and _ROLES.issuperset(roles) and not _USER.isdisjoint(roles)


def _is_openai(row: Row) -> bool:
    return _is_chat(row.get("messages"), "content")


def _openai(row: Row) -> Taken:
    """The last answer that is to be learned: OpenAI's `weight` of 0 says of an answer that it is not."""
    messages, system = row["messages"], bool(row.get("system"))
    unlearned = [i for i, each in enumerate(messages) if _role(each) in _ANSWER and each.get("weight") in (0, "0")]
    if not unlearned:
        return _of_turns([(_role(each), each.get("content")) for each in messages], system=system)
    answers = [i for i, each in enumerate(messages) if _role(each) in _ANSWER and i not in unlearned]
    asked = [i for i in answers if any(_role(each) in _USER for each in messages[:i])]
    kept = messages[: asked[-1] + 1] if asked else messages
    turns = [(_role(each), each.get("content")) for each in kept]
    taken = _of_turns(turns, system=system)
    if asked:
        later = (_WEIGHT_LATER,) if asked[-1] < max(unlearned) else ()
        return replace(taken, left_out=(*taken.left_out, *later))
    return taken if taken.problem else Taken({**taken.cells, "label": None}, (*taken.left_out, _WEIGHT_0))


def _is_gemini(row: Row) -> bool:
    return _is_chat(row.get("contents"), "parts")


def _gemini(row: Row) -> Taken:
    system = row.get("systemInstruction") or row.get("system_instruction")
    return _of_turns([(_role(each), each.get("parts")) for each in row["contents"]], system=bool(system))


def _is_prompt(row: Row) -> bool:
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return _is_chat([*prompt, *completion], "content")
    return isinstance(prompt, str) and (completion is None or isinstance(completion, str))


def _prompt(row: Row) -> Taken:
    prompt, completion = row["prompt"], row.get("completion")
    if isinstance(prompt, list):
        return _of_turns([(_role(each), each.get("content")) for each in (*prompt, *(completion or ()))])
    text = _without_end(prompt, _PROMPT_ENDS)
    if completion and text != prompt:  # else END may be part of the label
        completion = _without_end(completion, _COMPLETION_ENDS)
    return Taken({"text": text, "label": completion and completion.strip()})


def _without_end(text: str, ends: Sequence[str]) -> str:
    bare = text.rstrip()
    for end in ends:
        before = bare.removesuffix(end)
        if before != bare and not (end.isalpha() and before[-1:].isalnum()):
            return before.rstrip()
    return bare if "\n" in text[len(bare) :] else text


def _is_input_output(row: Row) -> bool:
    return isinstance(row.get("input_text"), str) and isinstance(row.get("output_text"), str | None)


def _input_output(row: Row) -> Taken:
    label = row.get("output_text")
    return Taken({"text": row["input_text"], "label": None if label is None else label.strip()})


def _is_vertex(row: Row) -> bool:
    several = row.get("classificationAnnotations")
    one = (row.get(f"{kind}Annotation") for kind in ("classification", "sentiment"))
    return (isinstance(row.get("textContent"), str) or isinstance(row.get("textGcsUri"), str)) and (
        isinstance(several, list | None) and all(isinstance(each, Mapping | None) for each in one)
    )


def _vertex(row: Row) -> Taken:
    text, several = row.get("textContent"), row.get("classificationAnnotations")
    if text is None:
        bucket = str(row["textGcsUri"])
        every = pasted((bucket.rpartition("/")[0] or bucket) + "/*")
        return Taken(
            problem=(
                f"the text lies in Cloud Storage, {bucket}, which is not read",
                f"copy the texts, gcloud storage cp {every} ., and write each into its row "
                "as textContent in the place of textGcsUri",
            )
        )
    label: Any = (row.get("classificationAnnotation") or {}).get("displayName")
    if label is None:
        label = (row.get("sentimentAnnotation") or {}).get("sentiment")
    if several is not None:
        label = [each.get("displayName") for each in several if isinstance(each, Mapping)]
    part = (row.get("dataItemResourceLabels") or {}).get(_ML_USE)
    return Taken({"text": text, "label": label, **({} if part is None else {"split": part})})


def _job(row: Row) -> str | None:
    """The key under which the last labelling job wrote its classes."""
    jobs = [
        key
        for key in row
        if isinstance(about := row.get(f"{key}-metadata"), Mapping)
        and any(about.get(each) is not None for each in ("class-name", "class-map", "failure-reason"))
    ]
    return jobs[-1] if jobs else None


def _is_manifest(row: Row) -> bool:
    return (isinstance(row.get("source"), str) or isinstance(row.get("source-ref"), str)) and _job(row) is not None


def _manifest(row: Row) -> Taken:
    job = _job(row) or ""
    about = row[f"{job}-metadata"]
    if row.get("source") is None:
        return Taken(
            problem=(
                f"the text lies in S3, {row['source-ref']}, which is not read",
                f"copy the texts, aws s3 cp {pasted(row['source-ref'])} ., and write each into its row as source in "
                "the place of source-ref",
            )
        )
    label, names = about.get("class-name"), about.get("class-map")
    if isinstance(names, Mapping):
        ids = row[job] if isinstance(row[job], list) else [row[job]]
        label = [names[str(each)] for each in ids if names.get(str(each)) is not None]
    return Taken({"text": row["source"], "label": label})


FORMS = (
    Form(
        "a chat format (OpenAI's, Mistral's, Bedrock's)",
        "the user's message is the text, the assistant's the label",
        '{"messages": [{"role": "user", "content": TEXT}, {"role": "assistant", "content": LABEL}]}',
        lambda columns: "messages" in columns,
        _is_openai,
        _openai,
    ),
    Form(
        "the tuning format of Vertex AI for Gemini",
        "the user's part is the text, the model's the label",
        '{"contents": [{"role": "user", "parts": [{"text": TEXT}]}, {"role": "model", "parts": [{"text": LABEL}]}]}',
        lambda columns: "contents" in columns,
        _is_gemini,
        _gemini,
    ),
    Form(
        "prompts and completions",
        "the prompt is the text and the completion the label, both without the marks that end them (###, ->, END)",
        '{"prompt": TEXT, "completion": LABEL}',
        lambda columns: {"prompt", "completion"}.issubset(columns),
        _is_prompt,
        _prompt,
    ),
    Form(
        "the tuning format of Vertex AI for text",
        "input_text is the text, output_text the label",
        '{"input_text": TEXT, "output_text": LABEL}',
        lambda columns: {"input_text", "output_text"}.issubset(columns),
        _is_input_output,
        _input_output,
    ),
    Form(
        "text classification of Vertex AI",
        "textContent is the text, the annotation's displayName or sentiment the label",
        '{"textContent": TEXT, "classificationAnnotation": {"displayName": LABEL}}',
        lambda columns: not {"textContent", "textGcsUri"}.isdisjoint(columns),
        _is_vertex,
        _vertex,
    ),
    Form(
        "an augmented manifest (SageMaker Ground Truth, Amazon Comprehend)",
        "source is the text, the class of the last labelling job the label",
        '{"source": TEXT, "job": 0, "job-metadata": {"class-name": LABEL}}',
        lambda columns: (
            not {"source", "source-ref"}.isdisjoint(columns) and any(each.endswith("-metadata") for each in columns)
        ),
        _is_manifest,
        _manifest,
        any_label=True,
    ),
)
