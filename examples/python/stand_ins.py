# SPDX-License-Identifier: Apache-2.0
"""What the functions call: each fails at first, as the real thing would now and then."""


class Failing:
    def __init__(self, times, why):
        self.times, self.why = times, why

    def __call__(self):
        self.times -= 1
        if self.times >= 0:
            raise Exception(self.why)


class clicks:
    fail = Failing(2, "database is locked")

    @classmethod
    def insert(cls, click):
        cls.fail()
        return click


class source:
    fail = Failing(1, "no route to host")

    @classmethod
    def fetch(cls):
        cls.fail()
        return {"rows": 3}


class syncs:
    fail = Failing(2, "connection reset")

    @classmethod
    def insert(cls, data):
        cls.fail()
        return {"saved": data["rows"]}


class users:
    @staticmethod
    def email_of(user_id):
        if user_id != "ada":
            raise Exception("UserNotFound")
        return "ada@example.com"


class digests:
    @staticmethod
    def send(email):
        return {"sentTo": email}


class messages:
    fail = Failing(1, "busy")

    @classmethod
    def create(cls, phone):
        try:
            cls.fail()
        except Exception:
            return False, 2000, ""
        return True, 0, f"welcome, {phone}"
