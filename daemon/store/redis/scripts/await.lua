-- SPDX-License-Identifier: Apache-2.0
-- Stands between change.lua and take.lua or advance.lua where a run is parked to wait for an event: what it waits for, and that
-- somebody waits for such events, is written first, in the same script. `ask` is msgpack: event, later, value, when, row,
-- boundary, head, ends, most; stamp, of the run's own event; place, where the run is not the store's yet.
local TOO_MANY = 5

-- Only where what follows is going to park it.
local function may_wait()
    local h, newer = load(id)
    if h then return h.status == 'o' and h.epoch == epoch and h.owner == owner and not has(h.flags, CANCEL) end
    return not newer and ask.place and not call('ZSCORE', P .. 'taken:' .. ask.place, id)
end

-- The run may have waited in what Redis has lost: what has come since then counts, and readers are told to look for it again.
local function begin_again(watch)
    local rewound, state = P .. 'rewound', P .. 'watching'
    local at = tonumber(call('HGET', rewound, '') or 0)
    if created >= at then return nil end
    local generation = call('HINCRBY', state, 'generation', 1)
    call('HSET', state, 'lowered', generation)
    call('ZADD', P .. 'watches', generation, watch)
    for topic, offsets in pairs(ask.boundary) do
        for i, offset in ipairs(offsets) do
            local place = topic .. ':' .. string.format('%d', i - 1)
            local was = tonumber(call('HGET', rewound, place) or offset)
            if was < offset then
                offsets[i] = was
                local matched = tonumber(call('HGET', P .. 'matched', place) or was)
                if was < matched then call('HSET', P .. 'matched', place, string.format('%.0f', was)) end
            end
        end
    end
    return ask.stamp
end

local function write_wait()
    local key, watch = key_of_wait(ask.event, ask.later, ask.value), ask.event .. '\0' .. ask.later
    local index = P .. 'wait:' .. key
    local known = await_of(id)
    if known and known.position == position and known.key == key then return true end
    if ask.later == '' and call('ZCARD', index) >= ask.most and not call('ZSCORE', index, id) then return false end
    local is_new = call('EXISTS', index) == 0
    -- The first write is one that a full Redis refuses: it allows all that follows a write.
    call('SET', P .. 'await:' .. id, '')
    if known and known.key ~= key then call('ZREM', P .. 'wait:' .. known.key, id) end
    if not call('ZSCORE', P .. 'watches', watch) then
        call('ZADD', P .. 'watches', call('HINCRBY', P .. 'watching', 'generation', 1), watch)
    end
    local since = begin_again(watch)
    call('SET', P .. 'await:' .. id, cmsgpack.pack({ key = key, position = position, head = ask.head, when = ask.when, row = ask.row,
        boundary = ask.boundary, ends = ask.ends, since = since }))
    keep_until(P .. 'await:' .. id, true, ask.ends)
    call('ZADD', index, 0, id)
    keep_until(index, is_new, ask.ends)
    return true
end

if may_wait() and not write_wait() then return { TOO_MANY, now, epoch, 0, 0 } end
