# SPDX-License-Identifier: Apache-2.0
"""Functions of apps that invoke others, as recorded of the SDKs: the op in a reply, its outcome among the steps of a later call."""
from fake_app import op, step_hash
from test_inngest_calls import SETTINGS, register, send, serve  # noqa: F401


def invoke(name, function, data=None, timeout=None):
    return op("InvokeFunction", name, opts={"function_id": function, "payload": {"data": data}, "timeout": timeout})


def told(call, name):
    return call["body"]["steps"].get(step_hash(name))


def test_an_app_invokes_functions_of_apps_and_of_the_daemon(daemon, serve, topic):
    seen = []

    def add(call):
        seen.append(call["body"]["event"]["name"])
        return 200, call["body"]["event"]["data"]["n"] + 1

    def alone(call):
        if not told(call, "a"):
            return 206, [invoke("a", "add", {"n": 41})]
        if not told(call, "b"):
            return 206, [invoke("b", "nowhere")]
        if not told(call, "c"):
            return 206, [invoke("c", "slow", timeout="1s")]
        if not told(call, "d"):
            return 206, [invoke("d", "bad")]
        return 200, [told(call, "a")["data"]] + [told(call, each)["error"]["name"] for each in "bcd"]

    def beside(call):
        known = call["body"]["steps"]
        if len(known) < 4:
            return 206, [each for each in [invoke(f"i{n}", "add", {"n": n}) for n in range(3)] + [op("StepRun", "own", 7)]
                         if each["id"] not in known]
        return 200, [known[step_hash(f"i{n}")]["data"] for n in range(3)] + [known[step_hash("own")]["data"]]

    def bad(_):
        return 400, {"name": "Own", "message": "no good"}, {"x-inngest-no-retry": "true"}

    def slow(_):
        return 206, [op("Sleep", "z", opts={"duration": "1h"})]

    app = serve({"add": add, "alone": alone, "beside": beside, "bad": bad, "slow": slow})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "alone")
    run, = stepd.wait_for("alone", "completed", seconds=15)
    assert stepd.show(run["id"])["output"] == [42, "NoSuchFunction", "InngestInvokeTimeoutError", "Own"]
    send(stepd, "beside")
    run, = stepd.wait_for("beside", "completed", seconds=15)
    assert stepd.show(run["id"])["output"] == [1, 2, 3, 7]
    assert set(seen) == {"inngest/function.invoked"} and len(seen) == 4
