# SPDX-License-Identifier: Apache-2.0
"""Values as JSON holds them, and durations as people write them."""
import base64
import dataclasses
import datetime
import decimal
import json
import math
import re
import uuid
from typing import Any, Union

Duration = Union[int, float, str, datetime.timedelta]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_PLAIN = (type(None), bool, int)


def seconds(given: Duration, what: str = "a duration") -> float:
    """Of 5, 0.5, "500ms", "1m30s" or a timedelta."""
    if isinstance(given, datetime.timedelta):
        return given.total_seconds()
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise TypeError(f"{what} is a number of seconds, a text such as \"5s\", or a timedelta, not {type(given).__name__}")
    if isinstance(given, str):
        text = given.strip()
        parts = _PART.findall(text)
        if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
            raise ValueError(f"{what}: {given!r} is no duration such as \"500ms\", \"5s\", \"1m30s\", \"2h\" or \"7d\"")
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    if math.isnan(given) or given < 0:
        raise ValueError(f"{what} can't be {given}")
    return given


def ms(given: Duration, what: str = "a duration") -> int:
    return math.ceil(min(seconds(given, what), 3155760000) * 1000)


def unix_ms(given: Union[datetime.datetime, str, int, float], what: str = "a time") -> int:
    """Of a datetime (without a zone: local time), its ISO text, or seconds since 1970."""
    if isinstance(given, str):
        given = datetime.datetime.fromisoformat(given.replace("Z", "+00:00"))
    if isinstance(given, datetime.datetime):
        return math.ceil((given.astimezone(datetime.timezone.utc) - _EPOCH) / datetime.timedelta(milliseconds=1))
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"{what} is a datetime, its ISO text, or seconds since 1970, not {type(given).__name__}")
    return math.ceil(given * 1000)


def moment(unix: int) -> datetime.datetime:
    """An aware datetime; beyond what Python has, the nearest that it has."""
    try:
        return _EPOCH + datetime.timedelta(milliseconds=unix)
    except OverflowError:
        bound = datetime.datetime.max if unix > 0 else datetime.datetime.min
        return bound.replace(tzinfo=datetime.timezone.utc)


def _other(value: Any) -> Any:
    """What JSON has not."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"a {type(value).__name__} can't be kept: JSON has no such value")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_other).encode


def dump(value: Any) -> str:
    """One line of JSON. A lone surrogate is U+FFFD."""
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def load(text: Union[str, bytes]) -> Any:
    """NaN and infinities are None."""
    return json.loads(text, parse_constant=lambda word: None)


def hold(value: Any) -> "tuple[str, Any]":
    """As JSON, and as it comes back from there in a later attempt."""
    if type(value) in _PLAIN:
        return _encode(value), value
    text = dump(value)
    return text, load(text)
