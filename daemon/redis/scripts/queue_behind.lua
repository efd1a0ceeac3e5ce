-- SPDX-License-Identifier: Apache-2.0
-- An ordered run whose key may have a run in the store: takes it over behind that one.
-- Answers: 1 it is in the store now, 0 nothing was done: it may start.
local id, owner = ARGV[1], ARGV[2]
local o = { fn = ARGV[4], place = ARGV[5], offset = ARGV[6], key = ARGV[7] }
local created, body = tonumber(ARGV[8]), ARGV[9]

local taken = P .. 'taken:' .. o.place
if load(id) or call('ZSCORE', taken, id) then return { 1, now } end

local head = head_of(o)
if not head then
    local stale = call('HGET', P .. 'busy:' .. o.place, o.fn .. '\0' .. o.key)
    if not stale or release_next(stale, o) == 0 then return { 0, now } end
end
local h = { status = 'b', phase = 0, flags = ORDERED, attempt = 0, takeovers = 0, epoch = 1, checkpoints = 0,
            created = created, changed = now, body = #body, tail = 0, state = 0, unclean = 0, owner = owner }
call('SET', P .. 'run:' .. id, packed(h) .. body)
call('ZADD', taken, o.offset, id)
call('ZADD', behind_key(o), o.offset, id)
return { 1, now }
