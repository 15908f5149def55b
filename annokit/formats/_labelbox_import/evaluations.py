"""Evaluations of a chat as Labelbox import NDJSON spells them, from the keys of its exports."""

from __future__ import annotations

from typing import Any

import msgspec

from annokit.formats._labelbox.shapes import NoPlace
from annokit.io.faults import worded

__all__ = ["evaluation_json"]


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing beside what is written again."""


class _Message(_Strict):
    message_id: str
    model_config_name: str


class _One(_Message):
    parent_message_id: str


class _Several(_Strict):
    messages: list[_Message]
    parent_message_id: str


class _Ranked(_Message):
    order: int


class _Ranking(_Strict):
    ranked_messages: list[_Ranked]
    parent_message_id: str

    def __post_init__(self) -> None:
        if sorted(one.order for one in self.ranked_messages) != [*range(1, len(self.ranked_messages) + 1)]:
            raise ValueError("expected messages ranked from 1 on, without a gap")


_TASKS: dict[str, tuple[str, type[_Strict]]] = {
    "selected_message": ("message-single-selection", _One),
    "selected_messages": ("message-multi-selection", _Several),
    "ranked_messages": ("message-ranking", _Ranking),
}
_CAMEL = {
    "messages": "selectedMessages",
    "message_id": "messageId",
    "model_config_name": "modelConfigName",
    "parent_message_id": "parentMessageId",
    "ranked_messages": "rankedMessages",
}


def evaluation_json(payload: Any) -> dict[str, Any] | None:
    """The task of an evaluation out of an export; None if it is nothing of the kind.

    Raises
    ------
    NoPlace
        The platform would refuse it, or it has more than can be written.
    """
    key = next(iter(payload)) if isinstance(payload, dict) and len(payload) == 1 else None
    if key not in _TASKS:
        return None
    form, wire = _TASKS[key]
    try:
        found = msgspec.to_builtins(msgspec.convert(payload[key], wire))
    except msgspec.ValidationError as error:
        raise NoPlace(f"an evaluation of a chat that the platform would refuse: {worded(error)}") from error
    return {"messageEvaluationTask": {"format": form, "data": _camel(found)}}


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if isinstance(value, dict):
        return {_CAMEL.get(key, key): _camel(one) for key, one in value.items()}
    return value
