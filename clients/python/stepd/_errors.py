# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and how it is told."""
import os
import traceback
from typing import Any, Dict, Optional

from ._exec import NonRetriable, RetryAfter, StepError, ms

_HERE = os.path.dirname(os.path.abspath(__file__))
_FRAMES_MOST = 5
_FRAME = "\n  at "


class Suspended(BaseException):
    """The function goes no further now: its run waits. No Exception, so that `except Exception` lets it pass."""


class Cancelled(BaseException):
    """Nobody wants the outcome any more."""


def _place(path: str) -> str:
    inside = os.path.relpath(path)
    return path if inside.startswith("..") else inside


def _frames(error: BaseException) -> str:
    """Of the user's own code, the last one first."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if os.path.dirname(os.path.abspath(frame.filename)) != _HERE]
    outside = [frame for frame in own if "site-packages" not in frame.filename and not frame.filename.startswith("<frozen")]
    return "".join(f"{_FRAME}{frame.name} ({_place(frame.filename)}:{frame.lineno})" for frame in (outside or own)[:-_FRAMES_MOST - 1:-1])


def told(error: BaseException) -> Dict[str, Any]:
    """As the protocol has it: class, message, and where it came from."""
    message = str(error)[:700] + _frames(error)
    said: Dict[str, Any] = {"name": type(error).__name__, "message": message, "retriable": not isinstance(error, NonRetriable)}
    if isinstance(error, RetryAfter):
        said["retry_after_ms"] = ms(error.seconds)
    if isinstance(error, StepError):
        said.update(name=error.name, message=error.message, step_id=error.step_id)
    return said


def step_error(step_id: str, error: Dict[str, Any]) -> StepError:
    """The message without its frames, which are for people."""
    message: Optional[str] = error.get("message")
    return StepError(step_id, error.get("name", "Error"), (message or "").split(_FRAME)[0])
