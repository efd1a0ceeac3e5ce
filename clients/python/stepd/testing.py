# SPDX-License-Identifier: Apache-2.0
"""Functions without a daemon: called with an event, over all their retries and sleeps, in no time."""
import asyncio
import dataclasses
import datetime
import inspect
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ._call import Call, current
from ._declare import Function
from ._errors import Cancelled, Suspended, step_error, told
from ._event import event_of
from ._exec import StepError, hold, load, seconds
from ._step import AsyncStep, Step

_ENVELOPE = {"id", "name", "data", "user", "ts", "topic", "partition", "offset", "key", "headers"}
_RETRIES = 4
_SCHEDULE = (15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200)


@dataclasses.dataclass
class Run:
    """What became of a run: `result`, or the `error` that it failed of."""
    result: Any = None
    error: Optional[StepError] = None
    steps: Dict[str, Any] = dataclasses.field(default_factory=dict)   # by id: the result, or the StepError
    delays: List[float] = dataclasses.field(default_factory=list)     # seconds: of sleeps and before retries, in order
    sent: List[Dict[str, Any]] = dataclasses.field(default_factory=list)  # {"name", "data"}
    attempts: int = 0                                                 # how often the function was called
    on_failure_error: Optional[StepError] = None                      # of `on_failure`, where the run failed and it did, too

    @property
    def status(self) -> str:
        return "completed" if self.error is None else "failed"


class _Host:
    """Keeps what a daemon would keep of one run."""

    def __init__(self, function: Function, events: Sequence[Dict[str, Any]], waits: Mapping[str, Any], invokes: Mapping[str, Any]):
        self.function, self.events, self.waits, self.invokes = function, events, waits, invokes
        self.code = function.code
        self.failure: Optional[Dict[str, Any]] = None
        self.run = Run()
        self.finished: Dict[str, Dict[str, Any]] = {}
        self.attempts: Dict[str, int] = {}
        self.attempt = 0
        self.retries: int = function.settings.get("retries", _RETRIES)
        self.schedule = [seconds(each) for each in function.settings.get("schedule", ())] or list(_SCHEDULE)

    def begin_on_failure(self, code: Callable[..., Any]) -> None:
        """The run has failed: what follows is asked of `code`, with counters and steps of its own."""
        assert self.run.error is not None
        self.code = code
        self.failure = {"name": self.run.error.name, "message": self.run.error.message, "step_id": self.run.error.step_id or None}
        self.finished, self.attempts, self.attempt = {}, {}, 0

    def _policy(self, name: str) -> Tuple[int, List[float]]:
        """Retries and delays of an error of that name: of the first of `on_error` that it matches, else of the function."""
        for entry in self.function.settings.get("on_error", ()):
            pattern = entry["error"]
            if name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern:
                return entry.get("retries", self.retries), [seconds(each) for each in entry.get("backoff", ())] or self.schedule
        return self.retries, self.schedule

    def delay(self, error: Mapping[str, Any], attempt: int) -> Optional[float]:
        """Seconds until the next attempt; None: there is none."""
        retries, schedule = self._policy(error["name"])
        if not error.get("retriable", True) or attempt >= retries:
            return None
        if "retry_after_ms" in error:
            return error["retry_after_ms"] / 1000
        return schedule[min(attempt, len(schedule) - 1)]

    def _fail_step(self, id: str, error: Dict[str, Any], is_beside: bool) -> Dict[str, Any]:
        attempt = self.attempts.get(id, 0) if is_beside else self.attempt
        delay = self.delay(error, attempt)
        if delay is not None:
            self.run.delays.append(delay)
            if is_beside:
                self.attempts[id] = attempt + 1
            else:
                self.attempt += 1
            return {"status": "later"}
        self.finished[id] = {"id": id, "error": error}
        self.run.steps[id] = step_error(id, error)
        self.attempt = 0
        return {"status": "failed", "error": error}

    def _finish(self, id: str, result: Any) -> Dict[str, Any]:
        self.finished[id] = {"id": id, "result": result}
        self.run.steps[id] = result
        self.attempt = 0
        return {"status": "ok", "result": result}

    def _invoke(self, id: str, line: Dict[str, Any]) -> Dict[str, Any]:
        given = self.invokes.get(id, self.invokes.get(line["function"]))
        if given is None:
            return self._fail_step(id, {"name": "NoSuchFunction", "message": line["function"], "retriable": False}, False)
        try:
            return self._finish(id, hold(given(line.get("data")) if callable(given) else given)[1])
        except Exception as error:
            return self._fail_step(id, {**told(error), "retriable": False}, False)

    def _wait(self, id: str, line: Dict[str, Any]) -> Dict[str, Any]:
        given = self.waits.get(id, self.waits.get(line["event"]))
        if given is None and line["timeout_ms"] == 0:
            message = f"nothing ends the wait {id}: say what comes by waits={{{id!r}: …}}, or give it a timeout"
            return self._fail_step(id, {"name": "NonRetriable", "message": message, "retriable": False}, False)
        if given is None:
            self.run.delays.append(line["timeout_ms"] / 1000)
            return self._finish(id, None)
        return self._finish(id, _envelope(given, line["event"]))

    def report(self, call: Call, type: str, id: str, members: str) -> Dict[str, Any]:
        line = load("{" + members + "}")
        if type == "step":
            return self._fail_step(id, line["error"], bool(line.get("beside"))) if "error" in line else self._finish(id, line["result"])
        if type == "sleep":
            now = datetime.datetime.now(datetime.timezone.utc).timestamp()
            self.run.delays.append(line["ms"] / 1000 if "ms" in line else max(0.0, line["until_ms"] / 1000 - now))
        if type == "send":
            self.run.sent.append({"name": line["name"], "data": line["data"]})
        if type == "wait":
            return self._wait(id, line)
        if type == "invoke":
            return self._invoke(id, line)
        return self._finish(id, None)

    async def report_async(self, call: Call, type: str, id: str, members: str) -> Dict[str, Any]:
        return self.report(call, type, id, members)

    def call(self) -> Dict[str, Any]:
        line = {"function": self.function.id, "run_id": "0" * 32, "attempt": self.attempt, "max_attempts": 1 + self.retries,
                "event": self.events[0], "steps": list(self.finished.values()), "attempts": dict(self.attempts), "failure": self.failure}
        return {**line, "events": list(self.events)} if len(self.events) > 1 else line


async def _call_async(host: _Host, call: Call, line: Dict[str, Any]) -> Any:
    task: "Optional[asyncio.Task[Any]]" = None
    waits = False

    def end() -> None:
        nonlocal waits
        assert task is not None
        if call.open_count > 0:
            asyncio.get_running_loop().call_later(0.01, end)
        elif not task.done():
            waits = True
            task.cancel()

    async def never_answer(name: str) -> Any:
        asyncio.get_running_loop().call_later(0.01, end)
        await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(host.code(event_of(line), AsyncStep(call, host.report_async, never_answer)))
    try:
        return await task
    except asyncio.CancelledError:
        if waits:
            raise Suspended from None
        raise


def _call(host: _Host) -> Any:
    line = host.call()
    call = Call(line)
    token = current.set(call)
    try:
        if inspect.iscoroutinefunction(host.code):
            return asyncio.run(_call_async(host, call, line))
        return host.code(event_of(line), Step(call, host.report))
    finally:
        current.reset(token)


def _envelope(given: Any, name: str) -> Dict[str, Any]:
    is_whole = isinstance(given, Mapping) and "data" in given and set(given) <= _ENVELOPE
    event = {"id": "test", "name": name, "data": None, "ts": 0, "topic": "events", "partition": 0, "offset": 0, "headers": {}}
    event.update(given if is_whole else {"data": given})
    return {**event, "data": hold(event["data"])[1]}


def _fails_for_good(host: _Host, error: BaseException) -> Optional[StepError]:
    """None: the function is called again."""
    said = told(error)
    is_steps = isinstance(error, StepError) and "error" in host.finished.get(error.step_id, {})
    delay = None if is_steps else host.delay(said, host.attempt)
    if delay is None:
        return step_error(said.get("step_id", ""), said)
    host.run.delays.append(delay)
    host.attempt += 1
    return None


def _attempts(host: _Host) -> "Tuple[Any, Optional[StepError]]":
    """Calls the code until it has a result, or an error for good."""
    while True:
        host.run.attempts += 1
        try:
            return hold(_call(host))[1], None
        except Suspended:
            continue
        except Cancelled:
            return None, None
        except Exception as error:
            failed = _fails_for_good(host, error)
            if failed is not None:
                return None, failed


def run(function: Union[Callable[..., Any], Function], event: Any = None, *, events: Optional[Sequence[Any]] = None,
        waits: Optional[Mapping[str, Any]] = None, invokes: Optional[Mapping[str, Any]] = None) -> Run:
    """Runs the function on an event to its end, and `on_failure` after it, where it failed.

    `event`: its data; or a dict with "data" (and "name", "id", "user", "key", "headers", …). `events`: instead, those of a batch.
    `waits`: by step id or event name, what step.wait() gets; nothing: it times out. `invokes`: by step id or function, the result
    or what makes it of data.
    """
    found = getattr(function, "__stepd__", function)
    if not isinstance(found, Function):
        raise TypeError("stepd.testing.run() takes a function declared by @stepd.function")
    names = found.settings.get("event", found.settings.get("topic", "stepd/cron"))
    name = names if isinstance(names, str) else names[0]
    host = _Host(found, [_envelope(each, name) for each in (events or [event])], waits or {}, invokes or {})
    host.run.result, host.run.error = _attempts(host)
    if host.run.error is not None and found.on_failure is not None:
        host.begin_on_failure(found.on_failure)
        _, host.run.on_failure_error = _attempts(host)
    return host.run
