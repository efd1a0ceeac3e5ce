# SPDX-License-Identifier: Apache-2.0
"""What functions call: steps, in sync functions and in async ones."""
import asyncio
import contextvars
import datetime
import inspect
import threading
from typing import Any, Awaitable, Callable, Dict, List, Mapping, Optional, Union

from ._call import MISSING, Call, Reporter, Work, settle
from ._declare import Function
from ._errors import Suspended, told
from ._event import Event
from ._exec import Duration, StepError, dump, hold, ms, unix_ms


def _as_event(given: Any) -> Optional[Event]:
    return Event(given) if isinstance(given, dict) else None


def _function_id(given: Any) -> str:
    declared = getattr(given, "__stepd__", given)
    return declared.id if isinstance(declared, Function) else str(declared)


def _sleep_members(duration: Duration) -> str:
    return f'"ms":{ms(duration, "a sleep")}'


def _wait_members(event: str, when: Optional[str], timeout: Optional[Duration]) -> str:
    told_when = "" if when is None else f',"when":{dump(when)}'
    return f'"event":{dump(event)}{told_when},"timeout_ms":{0 if timeout is None else ms(timeout, "timeout")}'


def _invoke_members(function: Any, data: Any, timeout: Optional[Duration]) -> str:
    return f'"function":{dump(_function_id(function))},"data":{dump(data)},"timeout_ms":{0 if timeout is None else ms(timeout, "timeout")}'


class _Base:
    def __init__(self, call: Call, report: Reporter):
        self._call, self._report = call, report

    @property
    def run_id(self) -> str:
        """The same in each attempt: what an idempotency key is made of."""
        return self._call.run_id

    @property
    def attempt(self) -> int:
        """Errors so far, since the start or the last finished step."""
        return self._call.attempt

    @property
    def max_attempts(self) -> int:
        return self._call.max_attempts

    @property
    def failure(self) -> Optional[StepError]:
        """In on_failure: what the run failed of."""
        return self._call.failure

    @property
    def is_cancelled(self) -> bool:
        """Nobody wants the outcome any more: long work should look now and then."""
        return self._call.is_cancelled


class Step(_Base):
    """What a sync function gets beside its event."""

    def _tell(self, work: Work, type: str, members: str, otherwise: Any = None) -> Any:
        return settle(work.id, self._report(self._call, type, work.id, members + (',"beside":true' if work.is_beside else "")), otherwise)

    def _other(self, type: str, id: str, members: str) -> Any:
        """A step that stepd does, not the program."""
        name = self._call.open(id)
        known = self._call.known(name)
        if known is not MISSING:
            return known
        work = self._call.begin(name)
        try:
            return self._tell(work, type, members)
        finally:
            self._call.end(work)

    def _run(self, name: str, work: Work, code: Callable[[], Any]) -> Any:
        token = self._call.inside(name)
        try:
            text, value = hold(code())
        except (Suspended, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:
            self._call.outside(token)
            token = None  # type: ignore[assignment]
            return self._tell(work, "step", f'"error":{dump(told(error))}')
        finally:
            if token is not None:
                self._call.outside(token)
        return self._tell(work, "step", f'"result":{text}', value)

    def run(self, id: str, code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What code() returned, now or in an earlier attempt, as JSON holds it. Runs once, however often the function does."""
        name = self._call.open(id)
        known = self._call.known(name)
        if known is not MISSING:
            return known
        work = self._call.begin(name)
        try:
            return self._run(name, work, (lambda: code(*args, **kwargs)) if args or kwargs else code)
        finally:
            self._call.end(work)

    def sleep(self, id: str, duration: Duration) -> None:
        """Holds no thread and no process, and outlives restarts."""
        self._other("sleep", id, _sleep_members(duration))

    def sleep_until(self, id: str, time: Union[datetime.datetime, str, int, float]) -> None:
        self._other("sleep", id, f'"until_ms":{unix_ms(time, "sleep_until")}')

    def send(self, id: str, name: str, data: Any = None) -> None:
        """An event of one's own, once."""
        self._other("send", id, f'"name":{dump(name)},"data":{dump(data)}')

    def wait(self, id: str, *, event: str, when: Optional[str] = None, timeout: Optional[Duration] = None) -> Optional[Event]:
        """The event, or None once the time is over."""
        return _as_event(self._other("wait", id, _wait_members(event, when, timeout)))

    def invoke(self, id: str, function: Any, data: Any = None, timeout: Optional[Duration] = None) -> Any:
        """The result of another function, wherever it runs: its id, or one declared here."""
        return self._other("invoke", id, _invoke_members(function, data, timeout))

    def parallel(self, branches: Mapping[str, Callable[[], Any]]) -> List[Any]:
        """Steps beside each other, each on a thread of its own and retried by itself; their results in order."""
        return _Parallel(self, branches).results()


class _Parallel:
    def __init__(self, step: Step, branches: Mapping[str, Callable[[], Any]]):
        self.step, self.call = step, step._call
        self.outcomes: Dict[str, Any] = {}
        self.errors: Dict[str, BaseException] = {}
        self.names = {self.call.open(id): code for id, code in branches.items()}
        self.threads: List[threading.Thread] = []

    def _look(self, name: str) -> bool:
        """Whether it is to run."""
        try:
            known = self.call.known(name)
        except BaseException as error:
            self.errors[name] = error
            return False
        self.outcomes[name] = known
        return known is MISSING

    def _run(self, name: str, work: Work) -> None:
        try:
            self.outcomes[name] = self.step._run(name, work, self.names[name])
        except BaseException as error:
            self.errors[name] = error
        finally:
            self.call.end(work)

    def results(self) -> List[Any]:
        works = {name: self.call.begin(name, is_beside=True) for name in self.names if self._look(name)}
        for name, work in works.items():
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(self._run, name, work), daemon=True)
            self.threads.append(thread)
            thread.start()
        for thread in self.threads:
            thread.join()
        failed = [self.errors[name] for name in self.names if name in self.errors]
        for error in [each for each in failed if not isinstance(each, Exception)] + failed:
            raise error
        return [self.outcomes[name] for name in self.names]


class AsyncStep(_Base):
    """What an async function gets beside its event: each call is awaited."""

    def __init__(self, call: Call, report: Reporter, answer_later: Callable[[str], Awaitable[Dict[str, Any]]]):
        super().__init__(call, report)
        self._answer_later = answer_later

    async def _tell(self, work: Work, type: str, members: str, otherwise: Any = None) -> Any:
        if not work.is_beside and not members.startswith('"result"'):
            await asyncio.sleep(0)  # what may end the call is told when those that gather() begins with it have begun
        answer = await self._report(self._call, type, work.id, members + (',"beside":true' if work.is_beside else ""))
        return settle(work.id, answer, otherwise)

    async def _run(self, name: str, work: Work, code: Callable[[], Any]) -> Any:
        token = self._call.inside(name)
        try:
            value = code()
            text, value = hold(await value if inspect.isawaitable(value) else value)
        except (Suspended, KeyboardInterrupt, asyncio.CancelledError):
            raise
        except (Exception, SystemExit) as error:
            self._call.outside(token)
            token = None  # type: ignore[assignment]
            return await self._tell(work, "step", f'"error":{dump(told(error))}')
        finally:
            if token is not None:
                self._call.outside(token)
        return await self._tell(work, "step", f'"result":{text}', value)

    async def _step(self, id: str, do: Callable[[str, Work], Awaitable[Any]]) -> Any:
        """A branch that waits goes no further while others do, unless what it waits for comes meanwhile."""
        name = self._call.open(id)
        try:
            known = self._call.known(name)
            if known is not MISSING:
                return known
            work = self._call.begin(name)
            try:
                return await do(name, work)
            finally:
                self._call.end(work)
        except Suspended:
            return settle(name, await self._answer_later(name), None)

    async def _other(self, type: str, id: str, members: str) -> Any:
        return await self._step(id, lambda name, work: self._tell(work, type, members))

    async def run(self, id: str, code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What code() returned, awaited where it is to be; now or in an earlier attempt, as JSON holds it."""
        whole = (lambda: code(*args, **kwargs)) if args or kwargs else code
        return await self._step(id, lambda name, work: self._run(name, work, whole))

    async def sleep(self, id: str, duration: Duration) -> None:
        """Holds nothing, and outlives restarts."""
        await self._other("sleep", id, _sleep_members(duration))

    async def sleep_until(self, id: str, time: Union[datetime.datetime, str, int, float]) -> None:
        await self._other("sleep", id, f'"until_ms":{unix_ms(time, "sleep_until")}')

    async def send(self, id: str, name: str, data: Any = None) -> None:
        """An event of one's own, once."""
        await self._other("send", id, f'"name":{dump(name)},"data":{dump(data)}')

    async def wait(self, id: str, *, event: str, when: Optional[str] = None, timeout: Optional[Duration] = None) -> Optional[Event]:
        """The event, or None once the time is over."""
        return _as_event(await self._other("wait", id, _wait_members(event, when, timeout)))

    async def invoke(self, id: str, function: Any, data: Any = None, timeout: Optional[Duration] = None) -> Any:
        """The result of another function, wherever it runs: its id, or one declared here."""
        return await self._other("invoke", id, _invoke_members(function, data, timeout))

    async def parallel(self, branches: Mapping[str, Callable[[], Any]]) -> List[Any]:
        """Steps beside each other, each retried by itself; their results in order."""
        return list(await asyncio.gather(*(self.run(id, code) for id, code in branches.items())))
