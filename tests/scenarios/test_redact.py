# SPDX-License-Identifier: Apache-2.0
"""Headers that hold secrets are shown to handlers alone."""
import json

from support import eventually

HEADERS = {"Authorization": "Bearer s1", "x-api-TOKEN": "s2", "x-tenant": "a", "x-private": "s3", "x-bytes": "a\x01b"}
BYTES = {"x-bytes": {"base64": "YQFi"}}  # what is no text is shown as handlers see it
FAILS = "import json, sys; print(sorted(json.load(sys.stdin)['headers'].items()), file=open('seen', 'a')); raise ValueError('no')"


def headers_shown(kafka, daemon, topic, folder, **settings):
    service = daemon([], topics=[topic], retry={"retries": 0},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"},
                     functions={"f": {"use": "exec", "event": "go", "command": ["/usr/bin/python3", "-c", FAILS], "directory": str(folder)}},
                     **settings)
    kafka.produce(json.dumps({"name": "go", "data": {}}), topic, headers=HEADERS)
    run = service.wait_for("f", "failed")[0]
    assert all(secret in (folder / "seen").read_text() for secret in ("s1", "s2", "s3")), "handlers see them"
    told = service.show(run["id"])["headers"]
    assert run["headers"] == told
    page = json.loads(service.get(f"/api/runs/{run['id']}")[1])
    assert page["run"]["headers"] == told
    assert not any(secret in service.log() for secret in ("Bearer s1", "s2,", "s3,"))
    return told


def test_headers_that_are_called_like_secrets_are_not_shown(kafka, redis, daemon, topic, folder):
    assert headers_shown(kafka, daemon, topic, folder) == {"Authorization": "[redacted]", "x-api-TOKEN": "[redacted]", "x-tenant": "a",
                                                           "x-private": "s3", **BYTES}


def test_a_list_of_ones_own_replaces_the_default(kafka, redis, daemon, topic, folder):
    assert headers_shown(kafka, daemon, topic, folder, redact=["x-priv*"]) == {**HEADERS, "x-private": "[redacted]", **BYTES}
