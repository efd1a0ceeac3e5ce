-- SPDX-License-Identifier: Apache-2.0
-- Stands between change.lua and take.lua or advance.lua where a run is parked to wait for an event, or goes on beside such a wait ('C'): what it waits for, and that
-- somebody waits for such events, is written first, in the same script. `ask` is msgpack: event, later, value, when, row,
-- boundary, head, ends, most; stamp, of the run's own event; given, the events that it was given before, and slept, when its last long sleep ended (run/waited.h); kept, how many events of that name were kept for it
-- when it looked; takes, the one of them that it takes; place, where the run is not the store's yet.
local TOO_MANY, KEPT_MORE = 5, 6
local is_beside = kind == 'C'
local member = is_beside and id .. ':' .. position + WAITS_FROM or id

-- Only where what follows is going to park it.
local function may_wait()
    local h, newer = load(id)
    if h then return h.status == RUN_OWNED and h.epoch == epoch and h.owner == owner and not has(h.flags, CANCEL) end
    return not newer and ask.place and not call('ZSCORE', P .. 'taken:' .. ask.place, id)
end

-- The run may have waited in what Redis has lost: its boundary is where that was, and what it was given since does not count. When its own
-- event was made, before which none counts; nil: nothing of the kind.
local function begin_again()
    local was = look_again(ask.event, ask.later, math.max(created, ask.slept))
    if not was then return nil end
    for topic, offsets in pairs(ask.boundary) do
        for i, offset in ipairs(offsets) do
            local place = topic .. ':' .. string.format('%d', i - 1)
            offsets[i] = math.min(offset, was[place] or offset)
        end
    end
    return ask.stamp
end

local function write_wait()
    local key = key_of_wait(ask.event, ask.later, ask.value)
    local index = P .. 'wait:' .. key
    local known = await_of(member)
    if known and known.position == position and known.key == key then return true end
    if ask.later == '' and call('ZCARD', index) >= ask.most and not call('ZSCORE', index, member) then return false end
    local is_new = call('EXISTS', index) == 0
    -- The first write is one that a full Redis refuses: it allows all that follows a write.
    call('SET', P .. 'await:' .. member, '')
    if known and known.key ~= key then call('ZREM', P .. 'wait:' .. known.key, member) end
    note_watch(ask.event, ask.later)
    local since = begin_again()
    call('SET', P .. 'await:' .. member, cmsgpack.pack({ key = key, position = position, head = ask.head, when = ask.when, row = ask.row,
        boundary = ask.boundary, ends = ask.ends, since = since, given = since and ask.given or nil }))
    keep_until(P .. 'await:' .. member, true, ask.ends)
    call('ZADD', index, 0, member)
    keep_until(index, is_new, ask.ends)
    return true
end

-- What is kept for the run of that name, and was not given to it yet.
local function count_kept()
    local all, live = call('HVALS', P .. 'kept:' .. id), 0
    for _, entry in ipairs(all) do
        if entry ~= '' and cmsgpack.unpack(entry).event == ask.event then live = live + 1 end
    end
    return live
end

-- The step's begin stands before its end, as where it had to wait.
local function end_at_once(outcome)
    local h = load(id)
    if is_beside then
        keep_mail(id, h, position + WAITS_FROM, outcome)
    else
        if h.version == ADDED then
            fold(id, h)
            call('SREM', held, id)
            list_owned()
        end
        if position == h.checkpoints then append_checkpoint(id, h, checkpoint) end
        position = position + 1
        position_text = string.format('%d', position)
        checkpoint = outcome
        attempt, status, due = 0, RUN_DELAYED, now
    end
    save(id, h)
end

-- It need not wait: the step comes to its end. Or something has come since it looked: it looks again.
local function is_done()
    local taken = ask.takes and call('HGET', P .. 'kept:' .. id, ask.takes)
    if taken and taken ~= '' then
        call('HSET', P .. 'kept:' .. id, ask.takes, '')
        local waits = await_of(member)
        if waits then forget_wait(member, waits) end
        end_at_once(ask.head .. cmsgpack.pack(now) .. cmsgpack.unpack(taken).outcome)
        return true
    end
    if count_kept() == ask.kept then return false end
    status, due = RUN_DELAYED, now
    return true, true
end

if may_wait() then
    local done, is_to_look = is_done()
    if is_to_look and is_beside then return { KEPT_MORE, now, epoch, 0, 0 } end
    if not done and not write_wait() then return { TOO_MANY, now, epoch, 0, 0 } end
end
