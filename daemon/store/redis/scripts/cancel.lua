-- SPDX-License-Identifier: Apache-2.0
-- A person wants a run to end. Answers: 0 it has, 1 its worker was asked to, 2 it had ended before or
-- is not there; now; when something became due by it.
local id, fn, history = ARGV[1], ARGV[2], ARGV[6]
local h = load(id)
if not h then return { 2, now, 0 } end
local answer, woken = cancel_run(id, h, fn, { fn = fn, place = ARGV[3], offset = ARGV[4], key = ARGV[5] }, history)
return { answer, now, woken }
