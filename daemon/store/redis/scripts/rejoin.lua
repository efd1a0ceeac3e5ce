-- SPDX-License-Identifier: Apache-2.0
-- A run that should wait behind another of its key does so, or is due where there is no other. Answers: 1
-- where it did not stand there, or nobody would have let it go on; else 0; now.
local id = ARGV[1]
local order = order_of({ fn = ARGV[2], place = ARGV[3], offset = ARGV[4], key = ARGV[5] })
local h = load(id)
if not h or h.status ~= RUN_BEHIND then return { 0, now } end
local found = order.wait_behind(id)
if not order.head() and order.next() ~= 0 then found = 1 end
return { found, now }
