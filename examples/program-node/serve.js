// SPDX-License-Identifier: Apache-2.0
import stepd from "stepd";
import "./functions.js";

await stepd.serve();
