# SPDX-License-Identifier: Apache-2.0
"""The four examples of the retries page, in Python."""
import stand_ins
import stepd


@stepd.function(id="click-recorder", event="app/button.clicked", retries=10)
def click_recorder(event, step):
    """Tried eleven times in all: the first, and ten more."""
    step.run("record", lambda: stand_ins.db.insert(event.data["button"]))


@stepd.function(id="user-weekly-digest", event="user/digest.requested")
def user_weekly_digest(event, step):
    """Two steps, each retried by itself; another service is there where the first fails for good."""
    try:
        digest = step.run("summarize", lambda: stand_ins.summarize(event.data["user"], "first"))
    except stepd.StepError:
        digest = step.run("summarize-elsewhere", lambda: stand_ins.summarize(event.data["user"], "second"))
    return step.run("mail", lambda: stand_ins.mail(event.data["user"], digest))


@stepd.function(id="sync-systems", event="sync/requested")
def sync_systems(event, step):
    """What no other attempt would change fails now."""
    def find():
        found = stand_ins.users.get(event.data["id"])
        if found is None:
            raise stepd.NonRetriable(f"there is no user {event.data['id']}")
        return found
    user = step.run("find", find)
    step.run("push", lambda: stand_ins.push(user))


@stepd.function(id="welcome-notification", event="user/signed.up")
def welcome_notification(event, step):
    """The service says itself when it has room again."""
    def send():
        wait = stand_ins.send_message(event.data["phone"])
        if wait is not None:
            raise stepd.RetryAfter(wait, "too many messages")
    step.run("send", send)
