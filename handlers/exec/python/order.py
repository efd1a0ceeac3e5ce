# SPDX-License-Identifier: Apache-2.0
"""An order in three steps: what was charged once is not charged again, whatever happens after it."""
import os
import time

import stepd

order = stepd.event()["data"]


def note(what):
    with open(os.environ.get("ORDER_BOOK", "/dev/stderr"), "a", encoding="utf-8") as book:
        print(order["id"], what, file=book)


def reserve():
    note("reserve")
    return {"shelf": 7}


def charge(amount):
    note("charge")
    time.sleep(float(os.environ.get("BANK_SECONDS", 0)))
    if amount > 1000:
        raise stepd.NonRetriable("the card has a limit of 1000")
    return {"receipt": f"r-{order['id']}"}


def ship(shelf, receipt):
    note(f"ship from {shelf} with {receipt}")


stock = stepd.step("reserve", reserve)
try:
    payment = stepd.step("charge", charge, order["amount"])
except stepd.StepFailed:
    stepd.step("release", note, "release")
    raise
stepd.sleep("let the bank settle", float(os.environ.get("SETTLE_SECONDS", 0)))
stepd.step("ship", ship, stock["shelf"], payment["receipt"])
stepd.send("tell", "order/shipped", {"id": order["id"]})
stepd.output({"shipped": order["id"]})
