# SPDX-License-Identifier: Apache-2.0
"""What the examples talk to: put the real things in their place."""


class Db:
    def __init__(self):
        self.rows, self.failures = [], 0

    def insert(self, row):
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionError("db is down")
        self.rows.append(row)


db = Db()
users = {"ada": {"id": "ada"}}
services = {"first": True, "second": True}
mails, pushed, waits = [], [], []


def summarize(user, service):
    if not services[service]:
        raise RuntimeError(f"the {service} service is away")
    return f"{service}: the week of {user}"


def mail(user, text):
    mails.append((user, text))


def push(user):
    pushed.append(user)


def send_message(phone):
    """None: it is sent; else how long to wait."""
    return waits.pop(0) if waits else None
