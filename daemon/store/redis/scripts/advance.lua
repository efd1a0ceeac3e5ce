-- SPDX-License-Identifier: Apache-2.0
-- A further change of a run by its owner; with ARGV[10], what it is to wait for in line (flow.lua). Answers as take.lua does;
-- and how many checkpoints stand in the list that he may push to from then on, where there is one.
local TELLS_MS = 10000 -- the owner of a run that was cancelled brings that out itself
local h = load(id)

-- A breaker holds the run: what for is kept, beside what it waited for before.
local function hold(held, f, by)
    f.fn, f.begun, f.lock, f.score, f.breaker = ARGV[7], true, f.lock or false, f.score or now_us, by.breaker
    f.line = by.line
    call('SET', P .. 'flow:' .. held, cmsgpack.pack(f))
end

local function leave_owned()
    if several then call('SREM', held, id) else call('ZREM', owned, id) end
end

-- Lost, or finished by this call before: then all is said and done.
if not h then return { kind == 'F' and OK or GONE, now, 0, 0, 0 } end
if h.epoch ~= epoch or h.owner ~= owner then return { MOVED, now, h.epoch, 0, 0 } end
if h.status ~= RUN_OWNED then return answer_again(h) end
local was_added = h.version == ADDED
fold(id, h)
if has(h.flags, CANCEL) then
    leave_owned()
    call('SREM', held, id)
    call('SREM', P .. 'asked:' .. worker, id)
    local woken = conclude(id, h, RUN_CANCELLED, history, TELLS_MS)
    return { CANCELLED, now, h.epoch, now + TELLS_MS, math.max(woken, ordered and order.release(id) or 0) }
end

if was_added then call('SREM', held, id) end

-- It stays ours, in the list of those that have none of their own to add to.
local function keep()
    save(id, h)
    if not was_added then return end
    list_owned()
end

if checkpoint ~= '' or clears then
    -- Checkpoints that we gave away are gone: Redis came back without its last second. Whoever gets the
    -- run next does them again; what follows on them must not stand in their place.
    if position > h.checkpoints then
        h.status, h.changed, h.epoch = RUN_DELAYED, now, h.epoch + 1
        save(id, h)
        leave_owned()
        call('ZADD', delayed_of(h), now_text, id)
        return { MOVED, now, h.epoch, 0, math.max(now, release_if_flow(id, h)) }
    end
    if begins_list and position == h.checkpoints and position < 65536 and not was_added and h.flags == 0 and
        h.state + #checkpoint <= state_limit then
        h.version, h.settled, h.checkpoints, h.state = ADDED, position, position + 1, h.state + #checkpoint
        h.phase, h.attempt, h.unclean = phase, attempt, 0
        call('RPUSH', added_of(id, h), checkpoint)
        save(id, h)
        call('ZREM', owned, id)
        call('SADD', held, id)
        call('ZADD', P .. 'holders', 'NX', now + lease, worker)
        return { OK, now, h.epoch, 0, 0, 1 }
    end
    local freed = 0
    if h.checkpoints > position then
        for _, old in ipairs(call('ZRANGEBYSCORE', steps, position, '+inf')) do freed = freed + #old end
    end
    if h.state - freed + #checkpoint > state_limit then
        keep()
        return { LIMIT, now, h.epoch, 0, 0 }
    end
    if h.checkpoints > position then call('ZREMRANGEBYSCORE', steps, position, '+inf') end
    if checkpoint ~= '' then call('ZADD', steps, position_text, checkpoint) end
    h.state = h.state - freed + #checkpoint
    h.checkpoints = position + (checkpoint ~= '' and 1 or 0)
end

h.phase, h.attempt, h.unclean = phase, attempt, 0
if has_tail then
    call('SETRANGE', run, HEADER_SIZE + h.body, tail)
    h.tail = #tail
end

if ENDS[kind] then
    leave_owned()
    local woken = conclude(id, h, ENDS[kind], history)
    return { OK, now, h.epoch, 0, math.max(woken, ordered and order.release(id) or 0) }
end
local is_head = not ordered or order.become_head(id)
if kind ~= 'P' then
    keep()
    return { OK, now, h.epoch, 0, 0 }
end
h.changed, h.status = due, is_head and status or RUN_BEHIND
leave_owned()
save(id, h)
local woken = release_if_flow(id, h)
if not is_head then
    order.wait_behind(id)
    return { OK, now, h.epoch, due, woken }
end
local f = in_line and (has(h.flags, FLOW) and flow_of(id) or ARGV[10] and cmsgpack.unpack(ARGV[10]))
if f then
    if ARGV[10] then hold(id, f, cmsgpack.unpack(ARGV[10])) end
    h.status, h.flags = RUN_QUEUED, has(h.flags, FLOW) and h.flags or h.flags + FLOW
    save(id, h)
    enter_line(id, f)
    return { OK, now, h.epoch, due, now }
end
local parked = list_parked()
return { OK, now, h.epoch, due, woken > 0 and woken or parked }
