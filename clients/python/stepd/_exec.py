# SPDX-License-Identifier: Apache-2.0
"""For programs that stepd's exec runs, one process an attempt. A step that has returned is never run again in its run."""
import functools
import json
import math
import os
import sys
from typing import Any, Callable, Dict, Optional

from ._errors import NonRetriable, RetryAfter, StepError
from ._values import Duration, hold, ms


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
        told = {"name": type(error).__name__, "message": str(error), "retriable": not isinstance(error, NonRetriable)}
        if isinstance(error, RetryAfter):
            told["retry_after_ms"] = math.ceil(error.seconds * 1000)
        _ask(name, {"step": name, "error": told})
        raise
    _ask(name, {"step": name, "result": result})
    return result


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


def _ask(name: str, request: Dict[str, Any]) -> Dict[str, Any]:
    if "STEPD_PROGRAM" in os.environ or "STEPD_RUN_ID" not in os.environ:
        raise RuntimeError("stepd.step() and its kin are for programs of exec; a function has its `step` argument")
    asked, answered = _pipes()
    print(json.dumps(request), file=asked, flush=True)
    answer = json.loads(answered.readline() or '{"error": "stepd is gone"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    if "suspend" in answer:
        sys.exit(0)
    if "failed" in answer:
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
