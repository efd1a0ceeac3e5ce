-- SPDX-License-Identifier: Apache-2.0
-- Runs that wait for events, and such that events mean something to in any state: wishes (make_wishes). What a run waits for stands in
-- `await:<id>`; or, where it waits for others beside it or goes on, in `await:<id>:<number>` (WAITS_FROM and the position). Msgpack: key, of its index, after P .. 'wait:'; position
-- of its checkpoint; head, of the outcome's; when, or ''; row; boundary, topic -> offsets by partition; ends; since and given, where
-- it may be given what came before the call: not before then, and none of these. The index is a set of such names. docs/inside/waits.md says why each write is there.
local FOREVER, LATE_MS = 253402300799999, 60000 -- so long after its time what comes too late is noticed
local WAITS_FROM = 1000 -- the numbers below are wishes'

local function key_of_wait(event, later, value)
    return event .. '\0' .. later .. '\0' .. value
end

local function await_of(id)
    local raw = read('GET', P .. 'await:' .. id)
    return raw and cmsgpack.unpack(raw) or nil
end

local function forget_wait(member, a)
    call('ZREM', P .. 'wait:' .. a.key, member)
    call('UNLINK', P .. 'await:' .. member)
end

-- It goes by itself once nobody could be late any more.
local function keep_until(key, is_new, ends)
    if ends >= FOREVER then
        if not is_new then call('PERSIST', key) end
    elseif is_new then
        call('PEXPIREAT', key, ends + LATE_MS)
    else
        call('PEXPIREAT', key, ends + LATE_MS, 'GT')
    end
end

-- That somebody waits for such events: readers hear of it, and it is not forgotten (unwatch.lua).
local function note_watch(event, later)
    local watch = event .. '\0' .. later
    call('ZREM', P .. 'idle', watch)
    if not call('ZSCORE', P .. 'watches', watch) then
        call('ZADD', P .. 'watches', call('HINCRBY', P .. 'watching', 'generation', 1), watch)
    end
end

-- A run that was made before Redis came back as another process may have waited in what it has lost: what came since then counts, and
-- readers are told to look for it again. Answers what `matched` was then, by place; nil: nothing of the kind.
local function look_again(event, later, created)
    local rewound, state = P .. 'rewound', P .. 'watching'
    if created >= tonumber(call('HGET', rewound, '') or 0) then return nil end
    local generation, all, was = call('HINCRBY', state, 'generation', 1), call('HGETALL', rewound), {}
    call('HSET', state, 'lowered', generation)
    call('ZADD', P .. 'watches', generation, event .. '\0' .. later)
    for i = 1, #all, 2 do
        local place, offset = all[i], tonumber(all[i + 1])
        was[place] = offset
        local matched = place ~= '' and tonumber(call('HGET', P .. 'matched', place) or offset)
        if matched and offset < matched then call('HSET', P .. 'matched', place, all[i + 1]) end
    end
    return was
end

-- Later events that mean something to the run as long as it lives, in the order of its function's settings. Each stands in
-- `await:<id>:<number>` and in its index: key; kind, x: it cancels, e: it is kept for it; when; row; topic, partition, offset, stamp, of the run's own event;
-- last, the latest stamp that counts. `f` has them as `makes`, and the keys of those that stand as `wishes`; the caller saves it.
local function make_wishes(id, f, created)
    if not f.makes then return end
    f.wishes = {}
    for i, wish in ipairs(f.makes) do
        local member, key = id .. ':' .. i, key_of_wait(wish.event, wish.later, wish.value)
        f.wishes[i] = key
        if wish.kind == 'e' then f.expects = true end
        note_watch(wish.event, wish.later)
        look_again(wish.event, wish.later, created)
        call('SET', P .. 'await:' .. member, cmsgpack.pack({ key = key, kind = wish.kind, when = wish.when, row = wish.row,
            topic = wish.topic, partition = wish.partition, offset = wish.offset, stamp = wish.stamp, last = wish.last }))
        local index = P .. 'wait:' .. key
        call('ZADD', index, 0, member)
        call('PERSIST', index)
    end
end
