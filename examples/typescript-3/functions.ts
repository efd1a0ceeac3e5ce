// SPDX-License-Identifier: Apache-2.0
import { Inngest, NonRetriableError, RetryAfterError } from "inngest";
import { clicks, digests, messages, source, syncs, users } from "./stand-ins";

export const inngest = new Inngest({ id: "examples" });

// Eleven attempts in all, whatever goes wrong.
const clickRecorder = inngest.createFunction(
  { id: "click-recorder", retries: 10 },
  { event: "app/button.clicked" },
  async ({ event, attempt }) => {
    return clicks.insert({ button: event.data.buttonId, attempt });
  },
);

// Each step has five attempts of its own; data that was fetched is not fetched again.
const syncSystems = inngest.createFunction(
  { id: "sync-systems" },
  { event: "auto/sync.request" },
  async ({ step }) => {
    const data = await step.run("get-data", () => source.fetch());
    return step.run("save-data", () => syncs.insert(data));
  },
);

// A step that failed for good is an error that can be caught; some errors are not worth another attempt.
const userWeeklyDigest = inngest.createFunction(
  { id: "user-weekly-digest", retries: 2 },
  { event: "user/weekly.digest.requested" },
  async ({ event, step }) => {
    let email: string;
    try {
      email = await step.run("get-user-email", () => users.emailOf(event.data.userId));
    } catch (error) {
      throw new NonRetriableError("User no longer exists; stopping", { cause: error });
    }
    return step.run("send-digest", () => digests.send(email));
  },
);

// The service says itself when it can be asked again.
const sendWelcomeNotification = inngest.createFunction(
  { id: "send-welcome-notification" },
  { event: "app/user.created" },
  async ({ event, step }) => {
    return step.run("send-message", async () => {
      const { success, retryAfter, message } = await messages.create(event.data.phone);
      if (!success) throw new RetryAfterError("Hit the rate limit", retryAfter);
      return { message };
    });
  },
);

export const functions = [clickRecorder, syncSystems, userWeeklyDigest, sendWelcomeNotification];
