# SPDX-License-Identifier: Apache-2.0
import inngest

from stand_ins import clicks, digests, messages, source, syncs, users

client = inngest.Inngest(app_id="examples-python")


# Eleven attempts in all, whatever goes wrong.
@client.create_function(fn_id="click-recorder", retries=10, trigger=inngest.TriggerEvent(event="app/button.clicked"))
def click_recorder(ctx: inngest.ContextSync):
    return clicks.insert({"button": ctx.event.data["buttonId"], "attempt": ctx.attempt})


# Each step has five attempts of its own; data that was fetched is not fetched again.
@client.create_function(fn_id="sync-systems", trigger=inngest.TriggerEvent(event="auto/sync.request"))
def sync_systems(ctx: inngest.ContextSync):
    data = ctx.step.run("get-data", source.fetch)
    return ctx.step.run("save-data", lambda: syncs.insert(data))


# A step that failed for good is an error that can be caught; some errors are not worth another attempt.
@client.create_function(fn_id="user-weekly-digest", retries=2, trigger=inngest.TriggerEvent(event="user/weekly.digest.requested"))
def user_weekly_digest(ctx: inngest.ContextSync):
    try:
        email = ctx.step.run("get-user-email", lambda: users.email_of(ctx.event.data["userId"]))
    except inngest.StepError as error:
        raise inngest.NonRetriableError("User no longer exists; stopping") from error
    return ctx.step.run("send-digest", lambda: digests.send(email))


# The service says itself when it can be asked again.
@client.create_function(fn_id="send-welcome-notification", trigger=inngest.TriggerEvent(event="app/user.created"))
def send_welcome_notification(ctx: inngest.ContextSync):
    def send():
        success, retry_after_ms, message = messages.create(ctx.event.data["phone"])
        if not success:
            raise inngest.RetryAfterError("Hit the rate limit", retry_after_ms)
        return {"message": message}
    return ctx.step.run("send-message", send)


functions = [click_recorder, sync_systems, user_weekly_digest, send_welcome_notification]
