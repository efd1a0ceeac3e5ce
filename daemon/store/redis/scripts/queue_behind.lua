-- SPDX-License-Identifier: Apache-2.0
-- An ordered run whose key may have a run in the store: takes it over behind that one.
-- Answers: 1 it is in the store now, 0 nothing was done: it may start.
local id, owner = ARGV[1], ARGV[2]
local place, offset = ARGV[5], ARGV[6]
local order = order_of({ fn = ARGV[4], place = place, offset = offset, key = ARGV[7] })
local epoch, created, body = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local older_id = ARGV[11]

local taken = P .. 'taken:' .. place
if load(id) or call('ZSCORE', taken, id) then return { 1, now } end

-- Where its first was lost, the next that waits is first now.
if not order.head() and order.next() == 0 then return { 0, now } end
local h = { status = RUN_BEHIND, phase = 0, flags = ORDERED, attempt = 0, takeovers = 0, epoch = epoch, checkpoints = 0,
            created = created, changed = now, body = #body, tail = 0, state = 0, unclean = 0, owner = owner }
call('SET', P .. 'run:' .. id, packed(h) .. body)
call('ZADD', taken, offset, id)
if older_id then call('ZADD', taken, 'NX', offset, older_id) end
call('ZADD', P .. 'newest', created, id)
order.wait_behind(id)
return { 1, now }
