// SPDX-License-Identifier: Apache-2.0
import { createServer } from "node:http";
import { serve } from "inngest/node";
import { functions, inngest } from "./functions";

createServer(serve({ client: inngest, functions })).listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
