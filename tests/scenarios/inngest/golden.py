# SPDX-License-Identifier: Apache-2.0
"""Functions that wait for the world in every way that the SDK has: events, each other, the clock."""
import datetime
import logging
import sys

import flask
import inngest
import inngest.flask

app = flask.Flask("golden")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
client = inngest.Inngest(app_id="golden")
HOUR, SECOND = datetime.timedelta(hours=1), datetime.timedelta(seconds=1)


def function(name, retries=4, **more):
    return client.create_function(fn_id=name, trigger=inngest.TriggerEvent(event=name), retries=retries, **more)


@function("quick")
def quick(ctx: inngest.ContextSync):
    return {"twice": ctx.event.data["n"] * 2}


@function("bad", retries=0)
def bad(ctx: inngest.ContextSync):
    raise TypeError("no good")


@function("all")
def every(ctx: inngest.ContextSync):
    step, id = ctx.step, ctx.event.data["id"]
    a, b, gone, i, slept, own = ctx.group.parallel((
        lambda: step.wait_for_event("a", event="go/a", timeout=HOUR, if_exp="async.data.id == event.data.id"),
        lambda: step.wait_for_event("b", event="go/b", timeout=HOUR),
        lambda: step.wait_for_event("gone", event="never", timeout=SECOND),
        lambda: step.invoke("i", function=quick, data={"n": id}),
        lambda: step.sleep("nap", SECOND),
        lambda: step.run("own", lambda: "ran")))
    return {"a": a.data, "b": b.data, "names": [a.name, b.name], "gone": gone, "i": i, "slept": slept, "own": own}


@function("caught", retries=0)
def caught(ctx: inngest.ContextSync):
    try:
        ctx.step.invoke("i", function=bad, data={})
        return "not caught"
    except inngest.StepError as error:
        return error.message


@function("stopped", cancel=[inngest.Cancel(event="stop", if_exp="async.data.id == event.data.id")])
def stopped(ctx: inngest.ContextSync):
    ctx.step.wait_for_event("w", event="never", timeout=HOUR)
    return "not stopped"


@client.create_function(fn_id="ticking", trigger=inngest.TriggerCron(cron="TZ=Europe/Paris * * * * *"))
def ticking(ctx: inngest.ContextSync):
    event = ctx.event
    ctx.step.sleep("nap", SECOND)
    return {"event": {"id": event.id, "name": event.name, "ts": event.ts, "data": dict(event.data)}, "own": ctx.step.run("own", lambda: event.ts)}


inngest.flask.serve(app, client, [quick, bad, every, caught, stopped, ticking])
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
