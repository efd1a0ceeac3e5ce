# SPDX-License-Identifier: Apache-2.0
"""For programs that stepd's exec runs. A step that has returned is never run again in its run: the
program is started again after a failure, and step() answers with what was returned before."""
import functools
import json
import math
import os
import sys


class NonRetriable(Exception):
    """Another attempt would fare no better: in a step, the step fails now; outside, the run."""


class RetryAfter(Exception):
    """Another attempt is worth it in so many seconds, whatever the schedule says."""

    def __init__(self, seconds, message=""):
        super().__init__(message or f"again in {seconds} s")
        self.seconds = seconds


class StepFailed(Exception):
    """A step failed for good. Unhandled, it fails the run; handled, the program goes on."""

    def __init__(self, step, name, message):
        super().__init__(f"{step}: {name}: {message}")
        self.step, self.name, self.message = step, name, message


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
        result = json.loads(json.dumps(function(*args, **kwargs)))
    except Exception as error:
        told = {"name": type(error).__name__, "message": str(error), "retriable": not isinstance(error, NonRetriable)}
        if isinstance(error, RetryAfter):
            told["retry_after_ms"] = math.ceil(error.seconds * 1000)
        _ask(name, {"step": name, "error": told})
        raise
    _ask(name, {"step": name, "result": result})
    return result


def sleep(name, seconds):
    """The program ends here, and is started again when the time is over."""
    _ask(name, {"sleep": name, "ms": math.ceil(seconds * 1000)})


def send(name, event_name, data=None):
    """An event of one's own; sent once."""
    _ask(name, {"send": name, "name": event_name, "data": data})


def output(value):
    """The run's output, instead of what the program prints."""
    _ask("output", {"output": value})


@functools.cache
def _pipes():
    return os.fdopen(3, "w", encoding="utf-8"), os.fdopen(4, encoding="utf-8")


def _ask(name, request):
    asked, answered = _pipes()
    print(json.dumps(request), file=asked, flush=True)
    answer = json.loads(answered.readline() or '{"error": "stepd is gone"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    if "suspend" in answer:
        sys.exit(0)
    if "failed" in answer:
        raise StepFailed(name, **answer["failed"])
    return answer


def _end(kind, error, trace):
    sys.__excepthook__(kind, error, trace)
    if isinstance(error, RetryAfter):
        print(f"Retry-After: {math.ceil(error.seconds)}", file=sys.stderr)
        sys.exit(75)
    sys.exit(65 if isinstance(error, (NonRetriable, StepFailed)) else 1)


sys.excepthook = _end
