# SPDX-License-Identifier: Apache-2.0
"""Functions, and their settings, checked where they are written."""
import asyncio
import inspect
import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from ._exec import Duration, ms

Key = Mapping[str, Any]
_DURATION = object()  # what a member of a setting must be
_COUNT = int
_TEXT = str
_NUMBER = (int, float)
_NAMES = (str, list, tuple)


class Function:
    """One declared function."""

    def __init__(self, id: str, code: Callable[..., Any], on_failure: Optional[Callable[..., Any]], settings: Dict[str, Any], place: str):
        self.id, self.code, self.on_failure, self.settings, self.place = id, code, on_failure, settings, place
        self.is_async, self.is_on_failure_async = asyncio.iscoroutinefunction(code), asyncio.iscoroutinefunction(on_failure)
        self.is_all_async = self.is_async and (on_failure is None or self.is_on_failure_async)

    def hello(self) -> Dict[str, Any]:
        told = {"id": self.id, **self.settings, "place": self.place}
        return {**told, "on_failure": True} if self.on_failure is not None else told


declared: List[Function] = []

# The members of settings that are dicts, with what each must be; the first is needed.
_MEMBERS = {
    "rate_limit": {"limit": _COUNT, "period": _DURATION, "key": _TEXT},
    "throttle": {"limit": _COUNT, "period": _DURATION, "burst": _COUNT, "key": _TEXT},
    "debounce": {"period": _DURATION, "timeout": _DURATION, "key": _TEXT},
    "batch": {"size": _COUNT, "timeout": _DURATION, "key": _TEXT},
    "concurrency_limits": {"limit": _COUNT, "key": _TEXT, "scope": _TEXT},
    "singleton": {"mode": _TEXT, "key": _TEXT},
    "cancel_on": {"event": _TEXT, "when": _TEXT, "timeout": _DURATION},
    "on_error": {"error": _TEXT, "retries": _COUNT, "backoff": list},
    "breaker": {"failures": _COUNT, "window": _DURATION, "pause": _DURATION, "key": _TEXT},
    "expects": {"event": _TEXT, "when": _TEXT},
}
_LISTS = {"concurrency_limits", "cancel_on", "on_error", "expects"}
_DURATIONS = {"timeout", "jitter", "dedupe", "start_timeout", "finish_timeout"}
_COUNTS = {"retries", "concurrency"}
_TEXTS = {"topic", "when", "dedupe_key"}
_CHOICES = {"ordering": ("unordered", "by_key"), "catch_up": ("none", "last", "all")}


def _duration(value: Any, what: str) -> str:
    return f"{ms(value, what)}ms"


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is a whole number, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{what} can't be {value}")
    return value


def _member(value: Any, kind: Any, what: str) -> Any:
    if kind is _DURATION:
        return _duration(value, what)
    if kind is _COUNT:
        return _count(value, what)
    if kind is list:
        return [_duration(each, what) for each in (value if isinstance(value, (list, tuple)) else [value])]
    if not isinstance(value, kind):
        raise TypeError(f"{what} is a text, not {type(value).__name__}")
    return value


def _dict(name: str, value: Any) -> Dict[str, Any]:
    members = _MEMBERS[name]
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} is a dict with {', '.join(members)}, not {type(value).__name__}")
    for key in value:
        if key not in members:
            raise TypeError(f"{name} has no '{key}' (it has: {', '.join(members)})")
    needed = next(iter(members))
    if needed not in value:
        raise TypeError(f"{name} needs '{needed}'")
    return {key: _member(given, members[key], f"{name}['{key}']") for key, given in value.items() if given is not None}


def _texts(name: str, value: Any) -> Any:
    listed = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else None
    if not listed or not all(isinstance(each, str) and each for each in listed):
        raise TypeError(f"{name} is a text, or a list of texts")
    return value if isinstance(value, str) else listed


def _setting(name: str, value: Any) -> Any:
    if name in ("event", "cron"):
        return _texts(name, value)
    if name in _LISTS:
        return [_dict(name, each) for each in (value if isinstance(value, (list, tuple)) else [value])]
    if name in _MEMBERS:
        return _dict(name, value)
    if name in _DURATIONS:
        return _duration(value, name)
    if name in _COUNTS:
        return _count(value, name)
    if name in ("schedule", "backoff"):
        if not isinstance(value, (list, tuple)) or not value:
            raise TypeError(f'{name} is a list of durations, such as ["1s", "5s"]')
        return [_duration(each, name) for each in value]
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(_CHOICES[name])}, not {value!r}")
        return value
    if name == "priority":
        return str(value) if isinstance(value, _NUMBER) and not isinstance(value, bool) else _member(value, _TEXT, name)
    return _member(value, _TEXT, name)


def _place(code: Callable[..., Any]) -> str:
    found = getattr(inspect.unwrap(code), "__code__", None)
    if found is None:
        return ""
    inside = os.path.relpath(found.co_filename)
    return f"{found.co_filename if inside.startswith('..') else inside}:{found.co_firstlineno}"


def function(*, id: Optional[str] = None, event: Union[str, Sequence[str], None] = None, topic: Optional[str] = None,
             cron: Union[str, Sequence[str], None] = None, retries: Optional[int] = None, schedule: Optional[Sequence[Duration]] = None,
             backoff: Optional[Sequence[Duration]] = None, jitter: Optional[Duration] = None, timeout: Optional[Duration] = None,
             concurrency: Optional[int] = None,
             ordering: Optional[str] = None, dedupe: Optional[Duration] = None, dedupe_key: Optional[str] = None,
             when: Optional[str] = None, rate_limit: Optional[Key] = None, throttle: Optional[Key] = None,
             debounce: Optional[Key] = None, batch: Optional[Key] = None, concurrency_limits: Optional[Sequence[Key]] = None,
             priority: Union[str, int, None] = None, singleton: Optional[Key] = None, cancel_on: Optional[Sequence[Key]] = None,
             start_timeout: Optional[Duration] = None, finish_timeout: Optional[Duration] = None,
             on_error: Optional[Sequence[Key]] = None, breaker: Optional[Key] = None, expects: Optional[Sequence[Key]] = None,
             catch_up: Optional[str] = None,
             on_failure: Optional[Callable[..., Any]] = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares a function of this program: code(event, step), or an async one.

    What starts it: `event` (a name, a trailing * matches a prefix; or several), `topic` (every message of it), or `cron`. The rest
    are settings as in the config's `functions:` (`backoff` is another word for `schedule`); durations are seconds, texts ("5s") or
    timedeltas. `on_failure(event, step)` is called after a run failed for good, with `step.failure`.
    """
    given = {name: value for name, value in locals().items() if name not in ("id", "on_failure") and value is not None}
    settings = {name: _setting(name, value) for name, value in given.items()}
    if "schedule" in settings and "backoff" in settings:
        raise TypeError("backoff is another word for schedule: give one of them")
    if "backoff" in settings:
        settings["schedule"] = settings.pop("backoff")
    if sum(name in settings for name in ("event", "topic")) == 2:
        raise TypeError("a function is started by events or by a topic: not both")
    if not any(name in settings for name in ("event", "topic", "cron")):
        raise TypeError("what starts the function? give event=, topic= or cron=")

    def declare(code: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(code):
            raise TypeError("@stepd.function(...) stands above a function")
        made = Function(id or code.__name__, code, on_failure, settings, _place(code))
        declared.append(made)
        code.__stepd__ = made  # type: ignore[attr-defined]
        return code

    return declare
