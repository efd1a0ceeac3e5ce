# SPDX-License-Identifier: Apache-2.0
"""Durable functions for stepd.

A program declares functions with @stepd.function and ends with stepd.serve(); stepd starts it once, and calls the functions for
events. What a step returned is remembered: it never runs again in its run.

The names that programs of `exec` use (event, attempt, step, parallel, race, sleep, send, output) are here, too.
"""
from . import testing
from ._declare import Function, function
from ._errors import Cancelled, Suspended
from ._event import Event
from ._exec import (NonRetriable, RetryAfter, StepError, StepFailed, attempt, event, invoke, output, parallel, race, send, sleep, step,
                    wait)
from ._serve import serve
from ._step import AsyncStep, Step

__all__ = ["AsyncStep", "Cancelled", "Event", "Function", "NonRetriable", "RetryAfter", "Step", "StepError", "StepFailed", "Suspended",
           "attempt", "event", "function", "invoke", "output", "parallel", "race", "send", "serve", "sleep", "step", "testing", "wait"]
