# SPDX-License-Identifier: Apache-2.0
"""An event as functions see it."""
import base64
import datetime
from typing import Any, Dict, List, Optional, Union

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def moment(unix: int) -> datetime.datetime:
    """An aware datetime; beyond what Python has, the nearest that it has."""
    try:
        return _EPOCH + datetime.timedelta(milliseconds=unix)
    except OverflowError:
        bound = datetime.datetime.max if unix > 0 else datetime.datetime.min
        return bound.replace(tzinfo=datetime.timezone.utc)


class Event:
    """name, id, data, user, ts (an aware datetime), topic, partition, offset, key, headers; `events` is the batch."""

    __slots__ = ("_given", "events")

    def __init__(self, given: Dict[str, Any], events: "Optional[List[Event]]" = None):
        self._given = given
        self.events: List[Event] = events if events is not None else [self]

    @property
    def name(self) -> str:
        return self._given.get("name", "")

    @property
    def id(self) -> str:
        return self._given.get("id", "")

    @property
    def data(self) -> Any:
        """Bytes, where the message holds nothing else."""
        if "data_base64" in self._given:
            return base64.b64decode(self._given["data_base64"])
        return self._given.get("data")

    @property
    def user(self) -> Any:
        return self._given.get("user")

    @property
    def ts(self) -> datetime.datetime:
        return moment(self._given.get("ts", 0))

    @property
    def topic(self) -> str:
        return self._given.get("topic", "")

    @property
    def partition(self) -> int:
        return self._given.get("partition", -1)

    @property
    def offset(self) -> int:
        return self._given.get("offset", -1)

    @property
    def key(self) -> Union[str, bytes, None]:
        if "key_base64" in self._given:
            return base64.b64decode(self._given["key_base64"])
        return self._given.get("key")

    @property
    def headers(self) -> Dict[str, Union[str, bytes, None]]:
        return {name: base64.b64decode(value["base64"]) if isinstance(value, dict) else value
                for name, value in self._given.get("headers", {}).items()}

    @property
    def traceparent(self) -> Optional[str]:
        return self._given.get("traceparent")

    def __repr__(self) -> str:
        return f"Event(name={self.name!r}, id={self.id!r}, data={self.data!r})"


def event_of(call: Dict[str, Any]) -> Event:
    """Of a call; a batch's first is its event."""
    if "events" not in call:
        return Event(call["event"])
    events = [Event(given) for given in call["events"]]
    first = Event(call["event"], events)
    events[:1] = [first]
    return first
