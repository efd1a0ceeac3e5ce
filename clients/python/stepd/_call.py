# SPDX-License-Identifier: Apache-2.0
"""One call of a function: what is known of its steps, and what was told of them."""
import contextvars
import threading
from typing import Any, Callable, Dict, List, Optional

from ._errors import Cancelled, Suspended, step_error
from ._exec import NonRetriable, StepError

current: "contextvars.ContextVar[Optional[Call]]" = contextvars.ContextVar("stepd_call", default=None)
_inside: "contextvars.ContextVar[Optional[str]]" = contextvars.ContextVar("stepd_inside", default=None)

ID_MOST = 200
MISSING = object()


class NestedStep(NonRetriable):
    """A step within a step."""


class InvalidStepId(NonRetriable):
    """A step's id has 1 to 200 bytes."""


class Work:
    """A step of the call that is under way, until it is answered."""

    __slots__ = ("id", "is_beside")

    def __init__(self, id: str):
        self.id, self.is_beside = id, False


class Call:
    """What steps need of it; `report(call, type, id, members)` tells the host, `members` as JSON without braces."""

    def __init__(self, line: Dict[str, Any]):
        self.number = line.get("call", 0)
        self.function_id: str = line["function"]
        self.run_id: str = line["run_id"]
        self.attempt: int = line.get("attempt", 0)
        self.max_attempts: int = line.get("max_attempts", 1)
        failure = line.get("failure")
        self.failure = StepError(failure.get("step_id") or "", failure["name"], failure["message"]) if failure else None
        self.finished: Dict[str, Any] = {step["id"]: step for step in line.get("steps", ())}
        self.attempts: Dict[str, int] = line.get("attempts") or {}
        self.later = set(line.get("later", ()))
        self.come: Dict[str, Any] = {}  # answers that nobody has waited for yet
        self.is_cancelled = False
        self.task: Any = None  # of an async function, once it runs
        self._uses: Dict[str, int] = {}
        self._works: List[Work] = []
        self._lock = threading.Lock()

    def _next_name(self, id: str) -> str:
        """As stepd names it: an id that is used again is ID:1, ID:2, …"""
        number = self._uses.get(id, 0)
        name = id
        while number > 0:
            name = f"{id}:{number}"
            number += 1
            if name not in self._uses:
                self._uses[name] = 1
                break
        self._uses[id] = number or 1
        return name

    def open(self, id: str) -> str:
        """The step's own name, where a step may be called at all."""
        inside = _inside.get()
        if inside is not None:
            raise NestedStep(f"step '{id}' was called inside step '{inside}': steps do not nest")
        if not isinstance(id, str) or not 0 < len(id.encode("utf-8", "replace")) <= ID_MOST or "\0" in id:
            raise InvalidStepId(f"a step's id has 1 to {ID_MOST} bytes")
        with self._lock:
            return self._next_name(id)

    def known(self, name: str) -> Any:
        """What a finished step came to; MISSING: it is new, and may begin. Raises its error, or that the branch waits."""
        step = self.finished.get(name)
        if step is not None:
            if step.get("error"):
                raise step_error(name, step["error"])
            return step.get("result")
        if name in self.later:
            raise Suspended
        if self.is_cancelled:
            raise Cancelled
        return MISSING

    def attempt_of(self, name: str) -> int:
        return self.attempts.get(name, self.attempt)

    def begin(self, name: str, is_beside: bool = False) -> Work:
        work = Work(name)
        with self._lock:
            self._works.append(work)
            work.is_beside = is_beside
            if len(self._works) > 1:
                for other in self._works:
                    other.is_beside = True
        return work

    def end(self, work: Work) -> None:
        with self._lock:
            self._works.remove(work)

    @property
    def open_count(self) -> int:
        return len(self._works)

    @staticmethod
    def inside(name: str) -> "contextvars.Token[Optional[str]]":
        return _inside.set(name)

    @staticmethod
    def outside(token: "contextvars.Token[Optional[str]]") -> None:
        _inside.reset(token)


def settle(name: str, answer: Dict[str, Any], otherwise: Any) -> Any:
    """What a step's call returns, or raises, after its answer."""
    status = answer.get("status")
    if status == "ok":
        return answer["result"] if "result" in answer else otherwise
    if status == "failed":
        raise step_error(name, answer.get("error") or {})
    if status == "cancelled":
        raise Cancelled
    raise Suspended


Reporter = Callable[[Call, str, str, str], Any]
