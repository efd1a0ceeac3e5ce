# SPDX-License-Identifier: Apache-2.0
"""For programs that stepd's exec runs. A step that has returned is never run again in its run: the
program is started again after a failure, and step() answers with what was returned before."""
import datetime
import functools
import json
import math
import os
import queue
import re
import sys
import threading

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class NonRetriable(Exception):
    """Another attempt would fare no better: in a step, the step fails now; outside, the run."""


class RetryAfter(Exception):
    """Another attempt is worth it in so many seconds ("5s", or at a datetime), whatever the schedule says."""

    def __init__(self, seconds, message=""):
        self.seconds = _seconds(seconds)
        super().__init__(message or f"again in {self.seconds:g} s")


class StepError(Exception):
    """A step failed for good. Unhandled, it fails the run; handled, the program goes on."""

    def __init__(self, step, name, message):
        super().__init__(f"{step}: {name}: {message}")
        self.step = self.step_id = step
        self.name, self.message = name, message


StepFailed = StepError


@functools.cache
def event():
    """{"id", "name", "data", "ts", "topic", …}"""
    return json.load(sys.stdin)


def attempt():
    """Errors so far, since the start or the last finished step."""
    return int(os.environ["STEPD_ATTEMPT"])


def step(name, function, *args, **kwargs):
    """What function(*args, **kwargs) returned, now or in an earlier attempt; as JSON holds it."""
    answer = _ask(name, {"step": name})
    if "result" in answer:
        return answer["result"]
    try:
        result = _as_json_holds(function(*args, **kwargs))
    except Exception as error:
        _ask(name, {"step": name, "error": _error_told(error)})
        raise
    _ask(name, {"step": name, "result": result})
    return result


def parallel(steps):
    """What each of {name: function} returned, in their order. They run beside each other, on threads, and each is retried alone.
    One that failed for good is raised once all are finished."""
    ended = _run_beside(steps, is_race=False)
    failed = next((error for _, error in ended.values() if error is not None), None)
    if failed is not None:
        raise failed
    return [ended[index][0] for index in range(len(steps))]


def race(steps):
    """What the first of {name: function} that succeeds returned; what becomes of the others is dropped."""
    ended = _run_beside(steps, is_race=True)
    won = next((result for result, error in ended.values() if error is None), _NOTHING)
    if won is _NOTHING:
        raise next((error for _, error in ended.values() if error is not None), ValueError("a race needs a step"))
    return won


_NOTHING = object()
_beside = threading.local()


def _run_beside(steps, is_race):
    """Index -> (result, error), in the order in which they were finished."""
    answers = _ask("", {"steps": [{"step": name} for name in steps]})["steps"] if steps else []
    ended = {}
    for index in sorted((i for i, answer in enumerate(answers) if "position" in answer), key=lambda i: answers[i]["position"]):
        ended[index] = _ended(answers[index]["id"], answers[index])
    later = sum("later" in answer for answer in answers)
    told = queue.SimpleQueue()
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


def _has_won(ended):
    return any(error is None for _, error in ended.values())


def _ended(name, answer):
    return (None, StepError(name, **answer["failed"])) if "failed" in answer else (answer["result"], None)


def _perform(index, function, told):
    _beside.is_step = True
    try:
        result = _as_json_holds(function())
        told.put((index, {"result": result}, result))
    except BaseException as error:  # whatever ended it, it has
        told.put((index, {"error": _error_told(error)}, None))


def _error_told(error):
    told = {"name": type(error).__name__, "message": str(error), "retriable": not isinstance(error, NonRetriable)}
    if isinstance(error, RetryAfter):
        told["retry_after_ms"] = math.ceil(error.seconds * 1000)
    return told


def sleep(name, seconds):
    """The program ends here, and is started again when the time is over."""
    _ask(name, {"sleep": name, "ms": math.ceil(seconds * 1000)})


def wait(name, event, when=None, timeout=None):
    """The next event of that name that `when` is true of, over `async`, which is that event, and `event`; None once the time is
    over. The program ends here, and is started again when it has come."""
    asked = {"wait": name, "event": event, "when": when}
    if timeout is not None:
        asked["timeout_ms"] = math.ceil(_seconds(timeout) * 1000)
    return _ask(name, asked)["result"]


def invoke(name, function, data=None, timeout=None):
    """What that function, of whichever daemon, makes of the data. The program ends here, and is started again when it is there."""
    asked = {"invoke": name, "function": function, "data": _as_json_holds(data)}
    if timeout is not None:
        asked["timeout_ms"] = math.ceil(_seconds(timeout) * 1000)
    return _ask(name, asked)["result"]


def send(name, event_name, data=None):
    """An event of one's own; sent once."""
    _ask(name, {"send": name, "name": event_name, "data": _as_json_holds(data)})


def output(value):
    """The run's output, instead of what the program prints."""
    _ask("output", {"output": _as_json_holds(value)})


def _seconds(given):
    if isinstance(given, datetime.datetime):
        return max(0, given.timestamp() - datetime.datetime.now().timestamp())
    if isinstance(given, datetime.timedelta):
        return given.total_seconds()
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", given)
    if found is None:
        raise ValueError(f"'{given}' is no duration such as 500ms, 5s, 10m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def _as_json_holds(value):
    """NaN and infinities are None, a lone surrogate is U+FFFD: as it comes back in a later attempt."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.loads(text, parse_constant=lambda word: None)


@functools.cache
def _pipes():
    return os.fdopen(3, "w", encoding="utf-8"), os.fdopen(4, encoding="utf-8")


def _ask(name, request):
    """An answer that is `later` is the caller's where it gives no name: else this goes no further in this process."""
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


def _end(kind, error, trace):
    sys.__excepthook__(kind, error, trace)
    if isinstance(error, RetryAfter):
        print(f"Retry-After: {math.ceil(error.seconds)}", file=sys.stderr)
        sys.exit(75)
    sys.exit(65 if isinstance(error, (NonRetriable, StepError)) else 1)


sys.excepthook = _end
