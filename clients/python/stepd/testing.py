# SPDX-License-Identifier: Apache-2.0
"""Functions without a daemon: called with an event, over all their retries and sleeps, in no time."""
import asyncio
import dataclasses
import datetime
import json
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from ._call import Call, current
from ._declare import Function
from ._errors import Cancelled, Suspended, StepError, step_error, told
from ._event import event_of
from ._step import AsyncStep, Step
from ._values import hold, seconds

_ENVELOPE = {"id", "name", "data", "user", "ts", "topic", "partition", "offset", "key", "headers"}
_RETRIES = 4
_SCHEDULE = (15, 30, 60, 120, 240)


@dataclasses.dataclass
class Run:
    """What became of a run: `result`, or the `error` that it failed of."""
    result: Any = None
    error: Optional[StepError] = None
    steps: Dict[str, Any] = dataclasses.field(default_factory=dict)   # by id: the result, or the StepError
    delays: List[float] = dataclasses.field(default_factory=list)     # seconds: of sleeps and before retries, in order
    sent: List[Dict[str, Any]] = dataclasses.field(default_factory=list)  # {"name", "data"}
    attempts: int = 0                                                 # how often the function was called

    @property
    def status(self) -> str:
        return "completed" if self.error is None else "failed"


class _Host:
    """Keeps what a daemon would keep of one run."""

    def __init__(self, function: Function, event: Dict[str, Any], waits: Mapping[str, Any], invokes: Mapping[str, Any]):
        self.function, self.event, self.waits, self.invokes = function, event, waits, invokes
        self.run = Run()
        self.finished: Dict[str, Dict[str, Any]] = {}
        self.attempts: Dict[str, int] = {}
        self.attempt = 0
        self.retries = function.settings.get("retries", _RETRIES)
        self.schedule = [seconds(each) for each in function.settings.get("schedule", ())] or list(_SCHEDULE)

    def _delay(self, error: Mapping[str, Any], attempt: int) -> float:
        if "retry_after_ms" in error:
            return error["retry_after_ms"] / 1000
        return self.schedule[min(attempt, len(self.schedule) - 1)]

    def _fail_step(self, id: str, error: Dict[str, Any], is_beside: bool) -> Dict[str, Any]:
        attempt = self.attempts.get(id, 0) if is_beside else self.attempt
        if error.get("retriable", True) and attempt < self.retries:
            self.run.delays.append(self._delay(error, attempt))
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
        if given is None:
            self.run.delays.append(line["timeout_ms"] / 1000)
            return self._finish(id, None)
        return self._finish(id, _envelope(given, line["event"]))

    def report(self, call: Call, type: str, id: str, members: str) -> Dict[str, Any]:
        line = json.loads("{" + members + "}")
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
        return {"function": self.function.id, "run_id": "0" * 32, "attempt": self.attempt, "max_attempts": 1 + self.retries,
                "event": self.event, "steps": list(self.finished.values()), "attempts": dict(self.attempts)}


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

    async def wait_for_ever() -> Any:
        asyncio.get_running_loop().call_later(0.01, end)
        await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(host.function.code(event_of(line), AsyncStep(call, host.report_async, wait_for_ever)))
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
        if host.function.is_async:
            return asyncio.run(_call_async(host, call, line))
        return host.function.code(event_of(line), Step(call, host.report))
    finally:
        current.reset(token)


def _envelope(given: Any, name: str) -> Dict[str, Any]:
    is_whole = isinstance(given, Mapping) and "data" in given and set(given) <= _ENVELOPE
    event = {"id": "test", "name": name, "data": None, "ts": 0, "topic": "events", "partition": 0, "offset": 0, "headers": {}}
    event.update(given if is_whole else {"data": given})
    return {**event, "data": hold(event["data"])[1]}


def _fail(host: _Host, error: BaseException) -> bool:
    """True: the function is called again."""
    said = told(error)
    is_steps = isinstance(error, StepError) and "error" in host.finished.get(error.step_id, {})
    if not is_steps and said["retriable"] and host.attempt < host.retries:
        host.run.delays.append(host._delay(said, host.attempt))
        host.attempt += 1
        return True
    host.run.error = step_error(said.get("step_id", ""), said)
    return False


def run(function: Union[Callable[..., Any], Function], event: Any = None, *, waits: Optional[Mapping[str, Any]] = None,
        invokes: Optional[Mapping[str, Any]] = None) -> Run:
    """Runs the function on an event to its end.

    `event`: its data; or a dict with "data" (and "name", "id", "user", "key", "headers", …). `waits`: by step id or event
    name, what step.wait() gets; nothing: it times out. `invokes`: by step id or function, the result or what makes it of data.
    """
    found = getattr(function, "__stepd__", function)
    if not isinstance(found, Function):
        raise TypeError("stepd.testing.run() takes a function declared by @stepd.function")
    names = found.settings.get("event", found.settings.get("topic", "stepd/cron"))
    host = _Host(found, _envelope(event, names if isinstance(names, str) else names[0]), waits or {}, invokes or {})
    while True:
        host.run.attempts += 1
        try:
            host.run.result = hold(_call(host))[1]
            return host.run
        except Suspended:
            continue
        except Cancelled:
            return host.run
        except Exception as error:
            if not _fail(host, error):
                return host.run
