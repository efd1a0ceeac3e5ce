# SPDX-License-Identifier: Apache-2.0
"""For programs that stepd's exec runs, one process an attempt. A step that has returned is never run again in its run: the program is
started again after a failure, and step() answers with what was returned before.

Part of the package `stepd`, whose other modules take from it; needs none of them, so that it may be copied alone, as stepd.py."""
import datetime
import functools
import json
import math
import os
import queue
import re
import sys
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

__all__ = ["NonRetriable", "RetryAfter", "StepError", "StepFailed", "attempt", "event", "invoke", "output", "parallel", "race", "send",
           "sleep", "step", "wait"]

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


def _other(value: Any) -> Any:
    """What JSON has not."""
    import base64
    import dataclasses
    import decimal
    import uuid

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
_decode = json.JSONDecoder(parse_constant=lambda word: None).decode


def dump(value: Any) -> str:
    """One line of JSON. A lone surrogate is U+FFFD."""
    if value is None:
        return "null"
    text = _encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def load(text: Union[str, bytes]) -> Any:
    """NaN and infinities are None."""
    return _decode(text if isinstance(text, str) else text.decode("utf-8", "surrogatepass"))


def hold(value: Any) -> "tuple[str, Any]":
    """As JSON, and as it comes back from there in a later attempt."""
    if type(value) in _PLAIN:
        return _encode(value), value
    text = dump(value)
    return text, load(text)


class NonRetriable(Exception):
    """Another attempt would fare no better: in a step, the step fails now; outside, the run."""


class RetryAfter(Exception):
    """Another attempt is worth it in so many seconds ("5s", or at a datetime), whatever the schedule says."""

    def __init__(self, after: Union[Duration, datetime.datetime], message: str = ""):
        if isinstance(after, datetime.datetime):
            now = datetime.datetime.now(datetime.timezone.utc)
            self.seconds: float = max(0.0, unix_ms(after) / 1000 - now.timestamp())
        else:
            self.seconds = seconds(after, "RetryAfter")
        super().__init__(message or f"again in {self.seconds:g} s")


class StepError(Exception):
    """A step failed for good. Unhandled, it fails the run; handled, the program goes on."""

    def __init__(self, step_id: str, name: str, message: str):
        super().__init__(f"{step_id}: {name}: {message}")
        self.step = self.step_id = step_id
        self.name, self.message = name, message


StepFailed = StepError


@functools.lru_cache(maxsize=None)
def event() -> Dict[str, Any]:
    """{"id", "name", "data", "ts", "topic", …}"""
    return json.load(sys.stdin)


def attempt() -> int:
    """Errors so far, since the start or the last finished step."""
    return int(os.environ["STEPD_ATTEMPT"])


def step(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What function(*args, **kwargs) returned, now or in an earlier attempt; as JSON holds it."""
    answer = _ask(name, {"step": name})
    if "result" in answer:
        return answer["result"]
    try:
        result = hold(function(*args, **kwargs))[1]
    except Exception as error:
        _ask(name, {"step": name, "error": _error_told(error)})
        raise
    _ask(name, {"step": name, "result": result})
    return result


def parallel(steps: Dict[str, Callable[[], Any]]) -> List[Any]:
    """What each of {name: function} returned, in their order. They run beside each other, on threads, and each is retried alone.
    One that failed for good is raised once all are finished."""
    ended = _run_beside(steps, is_race=False)
    failed = next((error for _, error in ended.values() if error is not None), None)
    if failed is not None:
        raise failed
    return [ended[index][0] for index in range(len(steps))]


def race(steps: Dict[str, Callable[[], Any]]) -> Any:
    """What the first of {name: function} that succeeds returned; what becomes of the others is dropped."""
    ended = _run_beside(steps, is_race=True)
    won = next((result for result, error in ended.values() if error is None), _NOTHING)
    if won is _NOTHING:
        raise next((error for _, error in ended.values() if error is not None), ValueError("a race needs a step"))
    return won


_NOTHING = object()
_beside = threading.local()


def _run_beside(steps: Dict[str, Callable[[], Any]], is_race: bool) -> Dict[int, Tuple[Any, Optional[StepError]]]:
    """Index -> (result, error), in the order in which they were finished."""
    answers = _ask("", {"steps": [{"step": name} for name in steps]})["steps"] if steps else []
    ended: Dict[int, Tuple[Any, Optional[StepError]]] = {}
    for index in sorted((i for i, answer in enumerate(answers) if "position" in answer), key=lambda i: answers[i]["position"]):
        ended[index] = _ended(answers[index]["id"], answers[index])
    later = sum("later" in answer for answer in answers)
    told: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
    runs = [] if is_race and _has_won(ended) else [i for i, answer in enumerate(answers) if "run" in answer]
    for index in runs:
        function = list(steps.values())[index]
        threading.Thread(target=_perform, args=(index, function, told), daemon=True).start()
    for _ in runs:
        if is_race and _has_won(ended):
            break
        index, report, result = told.get()
        answer = _ask(None, {"step": answers[index]["id"], **report})
        if "later" in answer:
            later += 1
        else:
            ended[index] = _ended(answers[index]["id"], {"result": result, **answer})
    if later > 0 and not (is_race and _has_won(ended)):
        _ask("", {"suspend": True})
    return ended


def _has_won(ended: Dict[int, Tuple[Any, Optional[StepError]]]) -> bool:
    return any(error is None for _, error in ended.values())


def _ended(name: str, answer: Dict[str, Any]) -> Tuple[Any, Optional[StepError]]:
    return (None, StepError(name, **answer["failed"])) if "failed" in answer else (answer["result"], None)


def _perform(index: int, function: Callable[[], Any], told: "queue.SimpleQueue[Any]") -> None:
    _beside.is_step = True
    try:
        result = hold(function())[1]
        told.put((index, {"result": result}, result))
    except BaseException as error:  # whatever ended it, it has
        told.put((index, {"error": _error_told(error)}, None))


def _error_told(error: BaseException) -> Dict[str, Any]:
    told: Dict[str, Any] = {"name": type(error).__name__, "message": str(error), "retriable": not isinstance(error, NonRetriable)}
    if isinstance(error, RetryAfter):
        told["retry_after_ms"] = math.ceil(error.seconds * 1000)
    return told


def sleep(name: str, seconds: Duration) -> None:
    """The program ends here, and is started again when the time is over."""
    _ask(name, {"sleep": name, "ms": ms(seconds)})


def wait(name: str, event: str, when: Optional[str] = None, timeout: Optional[Duration] = None) -> Optional[Dict[str, Any]]:
    """The next event of that name that `when` is true of, over `async`, which is that event, and `event`; None once the time is
    over. The program ends here, and is started again when it has come."""
    asked: Dict[str, Any] = {"wait": name, "event": event, "when": when}
    if timeout is not None:
        asked["timeout_ms"] = ms(timeout)
    answer: Optional[Dict[str, Any]] = _ask(name, asked)["result"]
    return answer


def invoke(name: str, function: str, data: Any = None, timeout: Optional[Duration] = None) -> Any:
    """What that function, of whichever daemon, makes of the data. The program ends here, and is started again when it is there."""
    asked: Dict[str, Any] = {"invoke": name, "function": function, "data": hold(data)[1]}
    if timeout is not None:
        asked["timeout_ms"] = ms(timeout)
    return _ask(name, asked)["result"]


def send(name: str, event_name: str, data: Any = None) -> None:
    """An event of one's own; sent once."""
    _ask(name, {"send": name, "name": event_name, "data": hold(data)[1]})


def output(value: Any) -> None:
    """The run's output, instead of what the program prints."""
    _ask("output", {"output": hold(value)[1]})


@functools.lru_cache(maxsize=None)
def _pipes() -> Any:
    return os.fdopen(3, "w", encoding="utf-8"), os.fdopen(4, encoding="utf-8")


def _ask(name: Optional[str], request: Dict[str, Any]) -> Dict[str, Any]:
    """An answer that is `later` is the caller's where it gives no name: else this goes no further in this process."""
    if "STEPD_PROGRAM" in os.environ or "STEPD_RUN_ID" not in os.environ:
        raise RuntimeError("stepd.step() and its kin are for programs of exec; a function has its `step` argument")
    if getattr(_beside, "is_step", False):
        raise NonRetriable("steps do not nest: ask for what comes next when the step has returned")
    asked, answered = _pipes()
    print(json.dumps(request), file=asked, flush=True)
    answer = json.loads(answered.readline() or '{"error": "stepd is gone"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    if "suspend" in answer:
        sys.exit(0)
    if name is not None and "later" in answer:
        return _ask("", {"suspend": True})
    if name is not None and "failed" in answer:
        raise StepError(name, **answer["failed"])
    return answer


def _end(kind: Any, error: Any, trace: Any) -> None:
    sys.__excepthook__(kind, error, trace)
    if isinstance(error, RetryAfter):
        print(f"Retry-After: {math.ceil(error.seconds)}", file=sys.stderr)
        sys.exit(75)
    sys.exit(65 if isinstance(error, (NonRetriable, StepError)) else 1)


if "STEPD_RUN_ID" in os.environ and "STEPD_PROGRAM" not in os.environ:
    sys.excepthook = _end
