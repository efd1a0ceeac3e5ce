// SPDX-License-Identifier: Apache-2.0
import stepd from "stepd";
import { clicks, digests, messages, source, syncs, users } from "./stand-ins.js";

// Eleven attempts in all, whatever goes wrong.
export const clickRecorder = stepd.function(
  { id: "click-recorder", event: "app/button.clicked", retries: 10 },
  async (event, step) => clicks.insert({ button: event.data.buttonId, attempt: step.attempt }),
);

// Each step has five attempts of its own; data that was fetched is not fetched again.
export const syncSystems = stepd.function({ id: "sync-systems", event: "auto/sync.request" }, async (event, step) => {
  const data = await step.run("get-data", () => source.fetch());
  return step.run("save-data", () => syncs.insert(data));
});

// A step that failed for good is an error that can be caught; some errors are not worth another attempt.
export const userWeeklyDigest = stepd.function(
  { id: "user-weekly-digest", event: "user/weekly.digest.requested", retries: 2 },
  async (event, step) => {
    let email;
    try {
      email = await step.run("get-user-email", () => users.emailOf(event.data.userId));
    } catch (error) {
      throw new stepd.NonRetriable("User no longer exists; stopping", { cause: error });
    }
    return step.run("send-digest", () => digests.send(email));
  },
);

// The service says itself when it can be asked again.
export const sendWelcomeNotification = stepd.function(
  { id: "send-welcome-notification", event: "app/user.created" },
  async (event, step) => step.run("send-message", async () => {
    const { success, retryAfter, message } = await messages.create(event.data.phone);
    if (!success) throw new stepd.RetryAfter(retryAfter, "Hit the rate limit");
    return { message };
  }),
);
