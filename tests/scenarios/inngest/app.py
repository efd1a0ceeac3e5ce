# SPDX-License-Identifier: Apache-2.0
"""The five examples of retries in Python, and a record of each call of them: GET /calls."""
import datetime
import logging
import sys

import flask
import inngest
import inngest.flask

app = flask.Flask("oracle-py")
logging.getLogger("werkzeug").setLevel(logging.ERROR)
client = inngest.Inngest(app_id="oracle-py")
calls = []
limited = []


def function(name, retries=4):
    return client.create_function(fn_id=name, trigger=inngest.TriggerEvent(event=f"py/{name}"), retries=retries)


@function("click-recorder", retries=10)
def click_recorder(ctx: inngest.ContextSync):
    return None


@function("never")
def never(ctx: inngest.ContextSync):
    raise Exception("no")


@function("sync-systems")
def sync_systems(ctx: inngest.ContextSync):
    data = ctx.step.run("get-data", lambda: {"n": 1})

    def save():
        if ctx.attempt < 2:
            raise Exception("db down")
        return data
    return ctx.step.run("save-data", save)


@function("digest")
def digest(ctx: inngest.ContextSync):
    def get_email():
        raise Exception("UserNotFound")
    try:
        ctx.step.run("get-user-email", get_email)
    except inngest.StepError:
        raise inngest.NonRetriableError("User no longer exists; stopping")


@function("welcome")
def welcome(ctx: inngest.ContextSync):
    if not limited:
        limited.append(ctx.run_id)
        raise inngest.RetryAfterError("Hit rate limit", datetime.timedelta(seconds=2))
    ctx.step.run("send-message", lambda: {"message": "ok"})
    ctx.step.sleep("nap", datetime.timedelta(seconds=1))


@app.after_request
def record(response):
    if flask.request.method == "POST":
        body, reply = flask.request.get_json(), response.get_json()
        ops = [[op["op"], op["displayName"]] for op in reply] if response.status_code == 206 else []
        calls.append([flask.request.args["fnId"],
                      [body["ctx"]["attempt"], body["ctx"]["max_attempts"], len(body["steps"]), response.status_code, ops]])
    return response


@app.get("/calls")
def get_calls():
    return flask.jsonify(calls)


inngest.flask.serve(app, client, [click_recorder, never, sync_systems, digest, welcome])
app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
