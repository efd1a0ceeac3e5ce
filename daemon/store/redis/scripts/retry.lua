-- SPDX-License-Identifier: Apache-2.0
-- A run that failed or was cancelled begins anew, without the checkpoints whose positions stand in
-- ARGV[7], split by blanks. `epoch` is what the caller saw. Answers: 0 done, 2 it is in no state for it; now; due.
local id, epoch = ARGV[1], tonumber(ARGV[2])
local order = order_of({ fn = ARGV[3], place = ARGV[4], offset = ARGV[5], key = ARGV[6] })
local steps = P .. 'steps:' .. id
local h = load(id)
if h and h.epoch == epoch + 1 and (h.status == RUN_DELAYED or h.status == RUN_BEHIND) then return { 0, now, h.changed } end
if not h or h.epoch ~= epoch or (h.status ~= RUN_FAILED and h.status ~= RUN_CANCELLED) then return { 2, now, 0 } end

local dropped = {}
for position in string.gmatch(ARGV[7], '%d+') do dropped[tonumber(position)] = true end
local all = call('ZRANGE', steps, 0, -1, 'WITHSCORES')
h.checkpoints, h.state = 0, 0
for i = 1, #all, 2 do
    local member, position = all[i], tonumber(all[i + 1])
    if dropped[position] then
        call('ZREM', steps, member)
    else
        if position ~= h.checkpoints then call('ZADD', steps, h.checkpoints, member) end
        h.checkpoints, h.state = h.checkpoints + 1, h.state + #member
    end
end
call('UNLINK', P .. 'calls:' .. id, P .. 'mail:' .. id)
call('ZREM', P .. 'dead', id)
call('ZREM', P .. 'history', id)
h.epoch, h.attempt, h.phase, h.unclean, h.changed, h.flags = epoch + 1, 0, 0, 0, now, without(without(h.flags, CANCEL), MAIL)
if not has(h.flags, ORDERED) or order.become_head(id) then
    h.status = RUN_DELAYED
    call('ZADD', delayed_of(h), now, id)
else
    h.status = RUN_BEHIND
    order.wait_behind(id)
end
save(id, h)
local f = has(h.flags, FLOW) and flow_of(id)
if f and (f.start or f.finish or f.makes) then
    expect_begin(id, f, now)
    make_wishes(id, f, now)
    call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
end
return { 0, now, h.status == RUN_DELAYED and now or 0 }
