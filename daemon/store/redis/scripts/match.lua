-- SPDX-License-Identifier: Apache-2.0
-- An event that was read ends the waits of one key, or that of the one run whose condition its reader has found to be true.
-- A page of at most 100, from the run after `after` on. Answers: how many were ended; now; how many it would have ended
-- in time; runs whose conditions are to be tried, each [id, condition, 1: its own event is a row, record]; where to go
-- on, '': it is the last page; when something is due, 0: nothing.
local PAGE, BYTES = 100, 1024 * 1024
local topic, partition, offset, stamp, outcome, after, only = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8],
    ARGV[9], ARGV[10]
local key = key_of_wait(ARGV[1], ARGV[2], ARGV[3])
local index = P .. 'wait:' .. key
local HAS_ENDED = { c = true, f = true, x = true }
local ended, late, tried, bytes, woken, last = 0, 0, {}, 0, 0, ''

-- It came after the call; or since the run's own event, for a run that Redis had lost.
local function counts(a)
    local places = a.boundary and a.boundary[topic]
    local first = places and places[partition + 1]
    return not (first and offset < first) and not (a.since and stamp < a.since)
end

local function end_wait(id, h, a)
    local checkpoint = a.head .. cmsgpack.pack(now) .. outcome
    call('ZADD', P .. 'steps:' .. id, h.checkpoints, checkpoint)
    h.checkpoints, h.state, h.attempt = h.checkpoints + 1, h.state + #checkpoint, 0
    if h.status == 'w' then
        h.status, h.changed, woken = 'd', now, now
        call('ZREM', P .. 'waiting', id)
        call('ZADD', P .. 'delayed', now, id)
    end
    save(id, h)
    forget_wait(id, a)
    ended = ended + 1
end

local function look_at(id)
    local a = await_of(id)
    if not a or a.key ~= key then
        call('ZREM', index, id)
        return
    end
    local h, newer = load(id)
    if newer or not counts(a) then return end
    if not h or HAS_ENDED[h.status] then
        forget_wait(id, a)
    elseif a.ends <= now then
        if stamp <= a.ends then late = late + 1 end
        forget_wait(id, a)
    elseif h.status == 'o' then
        return -- it has been woken, and is about to wait on
    elseif a.when == '' or only ~= '' then
        end_wait(id, h, a)
    else
        local record = call('GET', P .. 'run:' .. id)
        bytes = bytes + #record
        tried[#tried + 1] = { id, a.when, a.row and 1 or 0, record }
    end
end

local ids = only ~= '' and { only } or call('ZRANGEBYLEX', index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, PAGE)
for i, id in ipairs(ids) do
    look_at(id)
    if i == PAGE or bytes > BYTES and i < #ids then
        last = id
        break
    end
end
return { ended, now, late, tried, last, woken }
