# SPDX-License-Identifier: Apache-2.0
"""The programs of docs/from-celery.md and docs/from-bullmq.md run as their pages say."""
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHON = """
import json, sys
sys.path.insert(0, {client!r})
import stepd, stepd.testing
stepd.serve = lambda: None
told, fails = [], {fails}
SIZES = [1, 2]
download = lambda url: "image"
def resize(image, size):
    if fails: raise ValueError("no pixels")
    return [image, size]
put = lambda photo, sizes: told.append(["put", photo["url"], sizes])
tell_owner = lambda photo, failure: told.append(["complain", failure.name, failure.step_id])
send_report = lambda: told.append(["report"])
{text}
run = stepd.testing.run(photo, {{"url": {url!r}}})
stepd.testing.run(report, {{}})
print(json.dumps([run.status, run.delays, told]))
"""

NODE = """
const told = [];
const charge = (data) => "receipt of " + data.amount;
const ship = (data, receipt) => {{ told.push(["ship", receipt]); }};
const ask = (customer) => {{ told.push(["ask", customer]); }};
const alertSomebody = (id, message) => {{ told.push(["alert", message.split("\\n")[0]]); }};
{text}
const run = await stepd.testing.run("order", {{ name: "order/placed", data: {{ amount: {amount}, customer: "ada" }} }});
console.log(JSON.stringify([run.status, run.delays, told]));
"""


def program(page, name):
    text = (ROOT / "docs" / page).read_text()
    return re.search(rf"<!-- moved: {re.escape(name)} -->\n```\w+\n(.*?)```", text, re.S)[1]


def outcome(words, folder):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def photo(folder, url, fails=False):
    text = PYTHON.format(client=str(ROOT / "clients/python"), text=program("from-celery.md", "photos.py"), url=url, fails=fails)
    (folder / "photos.py").write_text(text)
    return outcome([sys.executable, "photos.py"], folder)


def order(folder, amount):
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    text = program("from-bullmq.md", "orders.mjs").replace('"stepd"', json.dumps((ROOT / "clients/node/index.js").as_uri()))
    text = text.replace("await stepd.serve();", "").replace("stepd.function({", "const order = stepd.function({", 1)
    text = NODE.format(text=text, amount=amount).replace('testing.run("order"', "testing.run(order")
    (folder / "orders.mjs").write_text(text)
    return outcome(["node", "orders.mjs"], folder)


def test_celerys_photos_are_published(tmp_path):
    sizes = [["image", 1], ["image", 2]]
    assert photo(tmp_path, "https://a") == ["completed", [5], [["put", "https://a", sizes], ["report"]]]


@pytest.mark.parametrize("url, fails, failed", [("http://a", False, ["NonRetriable", "fetch"]), ("https://a", True, ["ValueError", "scale-1"])])
def test_celerys_photos_that_fail_are_told_of(tmp_path, url, fails, failed):
    status, _, told = photo(tmp_path, url, fails)
    assert (status, told[0]) == ("failed", ["complain", *failed])


def test_bullmqs_order_is_shipped_and_asked_about(tmp_path):
    assert order(tmp_path, 20) == ["completed", [86400], [["ship", "receipt of 20"], ["ask", "ada"]]]


def test_bullmqs_order_that_fails_is_told_of(tmp_path):
    assert order(tmp_path, 2000) == ["failed", [], [["alert", "the card has a limit of 1000"]]]
