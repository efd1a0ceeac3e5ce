-- SPDX-License-Identifier: Apache-2.0
-- Runs that wait for a signal, one at a time (docs/inside/waits.md). In the signal's shard: lock, unlock, by who is about to wait. In each shard: find those
-- who wait; hide them, which are found no more and wait until their time is over; take one of them, for one sender alone; give it back.
-- `key`: of their index. Answers: 1, or 0: it is another's; now; members of the index.
local what, key, who = ARGV[1], ARGV[2], ARGV[3]
local LOCK_MS, TAKEN_MS = 10000, 5000
local index, lock = P .. 'wait:' .. key, P .. 'signal:' .. key

local function waits(member)
    local h, a = load(member:sub(1, 32)), await_of(member)
    return h and a and a.key == key and a.ends > now and not HAS_ENDED[h.status] and not has(h.flags, CANCEL)
end

local function waiting()
    local found = {}
    for _, member in ipairs(call('ZRANGE', index, 0, -1)) do
        if waits(member) then found[#found + 1] = member end
    end
    return found
end

local function hold(name, ms)
    local holder = call('GET', name)
    if holder and holder ~= who then return 0 end
    call('SET', name, who, 'PX', ms)
    return 1
end

local function let_go(name)
    if call('GET', name) == who then call('UNLINK', name) end
    return 1
end

local function sent(member)
    return P .. 'signalled:' .. member
end

if what == 'lock' then return { hold(lock, LOCK_MS), now, {} } end
if what == 'unlock' then return { let_go(lock), now, {} } end
local members = waiting()
if what == 'find' then return { 1, now, members } end
if what == 'hide' then
    if #members > 0 then call('ZREM', index, unpack(members)) end
    return { 1, now, members }
end
for _, member in ipairs(members) do
    if what == 'give' then let_go(sent(member)) end
    if what == 'take' and hold(sent(member), TAKEN_MS) == 1 then return { 1, now, { member } } end
end
return { 0, now, {} }
