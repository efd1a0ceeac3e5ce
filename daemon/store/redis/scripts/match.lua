-- SPDX-License-Identifier: Apache-2.0
-- An event that was read ends the waits of one key, or that of the one run whose condition its reader has found to be true.
-- And it cancels runs that wish so. A page of at most 100, from the one after `after` on. Answers: how many were ended; now; how many it would have ended
-- in time; runs whose conditions are to be tried, each [id, condition, 1: its own event is a row, record]; where to go
-- on, '': it is the last page; when something is due, 0: nothing; how many that were kept had to go; for how many runs it is kept from now on.
local PAGE, BYTES = 100, 1024 * 1024
local topic, partition, offset, stamp, outcome, after, only = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8],
    ARGV[9], ARGV[10]
local history = ARGV[11]
local key = key_of_wait(ARGV[1], ARGV[2], ARGV[3])
local index = P .. 'wait:' .. key
local KEPT_MOST, KEPT_BYTES = 100, 4 * 1024 * 1024
local ended, late, tried, bytes, woken, last, dropped, kept_for = 0, 0, {}, 0, 0, '', 0, 0

-- It came after the call; or since the run's own event, for a run that Redis had lost.
local function counts(a)
    local places = a.boundary and a.boundary[topic]
    local first = places and places[partition + 1]
    if first and offset < first or a.since and stamp < a.since then return false end
    return not (a.given and a.given[table.concat({ topic, ARGV[5], ARGV[6] }, ':')])
end

-- This event, among those that are kept for a run.
local name = table.concat({ topic, partition, offset, redis.sha1hex(outcome):sub(1, 12) }, ':')

-- The oldest go where there are too many. Those that are empty were given to the run, so that none is twice.
local function drop_oldest(kept)
    local live, size, all = {}, 0, call('HGETALL', kept)
    for i = 1, #all, 2 do
        size = size + #all[i + 1]
        if all[i + 1] ~= '' then
            local entry = cmsgpack.unpack(all[i + 1])
            live[#live + 1] = { name = all[i], stamp = entry.stamp, offset = entry.offset, size = #all[i + 1] }
        end
    end
    if #live <= KEPT_MOST and size <= KEPT_BYTES then return end
    table.sort(live, is_older)
    for i = 1, #live - 1 do
        if #live - i + 1 <= KEPT_MOST and size <= KEPT_BYTES then break end
        call('HSET', kept, live[i].name, '')
        size, dropped = size - live[i].size, dropped + 1
    end
end

-- Kept for the run, and not given to it yet.
local function is_kept_for(id)
    local entry = call('HGET', P .. 'kept:' .. id, name)
    return entry and entry ~= ''
end

-- It goes on, now.
local function wake(h, id)
    h.status, h.changed, woken = RUN_DELAYED, now, now
    call('ZREM', P .. 'waiting', id)
    call('ZADD', delayed_of(h), now, id)
end

-- A run that waits for such an event already, for one after its call, looks whether it is this one that it waits for.
local function keep(id, h)
    local kept = P .. 'kept:' .. id
    if call('HSETNX', kept, name, cmsgpack.pack({ stamp = stamp, offset = offset, event = ARGV[1], outcome = outcome })) == 0 then return end
    ended, kept_for = ended + 1, kept_for + 1
    drop_oldest(kept)
    local a = h.status == RUN_WAITING and await_of(id)
    if not a or a.key:sub(1, #ARGV[1] + 1) ~= ARGV[1] .. '\0' then return end
    wake(h, id)
    save(id, h)
end

local function end_wait(member, id, h, a)
    local f = has(h.flags, FLOW) and flow_of(id)
    if f and f.expects then call('HSET', P .. 'kept:' .. id, name, '') end
    local checkpoint = a.head .. cmsgpack.pack(now) .. outcome
    if h.status == RUN_OWNED then
        keep_mail(id, h, member:sub(34), checkpoint)
    else
        append_checkpoint(id, h, checkpoint)
    end
    if member == id then h.attempt = 0 end
    if h.status == RUN_WAITING then wake(h, id) end
    save(id, h)
    forget_wait(member, a)
    ended = ended + 1
end

local function forget(member)
    call('ZREM', index, member)
    call('UNLINK', P .. 'await:' .. member)
end

-- Of the run, whose record is given for that, the condition is to be tried first.
local function must_try(member, id, a)
    if a.when == '' or only ~= '' then return false end
    local record = call('GET', P .. 'run:' .. id)
    bytes = bytes + #record
    tried[#tried + 1] = { member, a.when, a.row and 1 or 0, record }
    return true
end

-- From before the run's own event none counts.
local function concerns(a)
    if topic == a.topic and partition == a.partition then return offset > a.offset and not (a.last and stamp > a.last) end
    return stamp >= a.stamp and not (a.last and stamp > a.last)
end

local function fulfil(member, id, h, a)
    local f = flow_of(id)
    if not f then return forget(member) end
    if not concerns(a) or has(h.flags, CANCEL) or must_try(member, id, a) then return end
    if a.kind == 'e' then return keep(id, h) end
    local _, due = cancel_flow(id, h, f, history)
    woken, ended = math.max(woken, due), ended + 1
end

-- A run that waits for this alone was woken for what is kept for it, and takes the oldest of that by itself.
local function look_at_wait(member, id, h, a)
    if not counts(a) and (member == id or not is_kept_for(id)) then return end
    if a.ends <= now then
        if stamp <= a.ends then late = late + 1 end
        forget_wait(member, a)
    elseif member == id and h.status == RUN_OWNED then
        return -- it has been woken, and is about to wait on
    elseif not must_try(member, id, a) then
        end_wait(member, id, h, a)
    end
end

local function look_at(member)
    local id, a = member:sub(1, 32), await_of(member)
    if not a or a.key ~= key then
        call('ZREM', index, member)
        return
    end
    local h, newer = load(id)
    if newer then return end
    if not h or HAS_ENDED[h.status] then return forget(member) end
    if a.kind then fulfil(member, id, h, a) else look_at_wait(member, id, h, a) end
end

local ids = only ~= '' and { only } or call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, PAGE)
for i, id in ipairs(ids) do
    look_at(id)
    if i == PAGE or bytes > BYTES and i < #ids then
        last = id
        break
    end
end
return { ended, now, late, tried, last, woken, dropped, kept_for }
