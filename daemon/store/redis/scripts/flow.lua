-- SPDX-License-Identifier: Apache-2.0
-- Turns and places of runs with the flag FLOW. What such a run waits for stands in `flow:<id>`, msgpack: fn; line, the values
-- that its turn hangs on; turn, the key of its throttle, or false; places, by limit; lock, of its singleton, or false; score,
-- its place in line by arrival and priority, `ahead` µs before others; begun, whether it has had its turn; breaker, of its
-- function and key, or nil; place, offset, key, of an ordered one's message; held, of a debounced one until its time (admit.lua);
-- start, finish, how long after its event it is to have begun, and after its begin to have ended, ms, or nil; has_begun, which
-- of them counts; deadline, when that is over; paused, how long its function had been paused before; opened, how long its breaker
-- had been open, nil: it is not held; lives, whether it counts in `living:<fn>` from its turn to its end (turns.lua).
-- Runs of one line are served one after the other, by score; `heads:<fn>` says when each line may be tried next. A place is taken in `places:<name>` by the run that
-- executes; a line for which there was none stands in `blocked:<name>`, and is tried again once one is given back.
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local BEGUN_FIRST = 4e15        -- µs: a run that has begun is before all that have not
local TRY_AGAIN_MS = 5000       -- a line without a place, should nobody say that there is one
local HAS_ENDED = { c = true, f = true, x = true }

local function flow_of(id)
    local raw = read('GET', P .. 'flow:' .. id)
    return raw and cmsgpack.unpack(raw)
end

local function line_of(f)
    return P .. 'line:' .. f.fn .. '\0' .. f.line
end

-- How long the breaker has been open in all, ms, as far as its function's runs have times (breaker.lua).
local function open_ms(breaker)
    local total, since = (call('GET', P .. 'open:' .. breaker) or ''):match('^(%d+) (%d+)$')
    if not total then return 0 end
    local is_open = since ~= '0' and call('ZSCORE', P .. 'breakers', breaker)
    return tonumber(total) + (is_open and now - tonumber(since) or 0)
end

-- Its breaker may hold it from now on, which its time is longer by.
local function begin_hold(f)
    f.opened = f.deadline and f.breaker and open_ms(f.breaker) or nil
end

-- For how long it was held, of which nothing was counted before.
local function held_ms(f)
    if not f.opened or not f.breaker then return 0 end
    local held = math.max(open_ms(f.breaker) - f.opened, 0)
    f.opened = f.opened + held
    return held
end

-- Behind those that came before it; one that has begun before all that have not. A debounced one is in no line yet.
local function enter_line(id, f)
    local score = f.begun and now_us - BEGUN_FIRST or f.score
    call('ZADD', P .. 'queue:' .. f.fn, score, id)
    if f.held then
        call('ZADD', P .. 'debounced', f.held.due, id)
        call('SADD', P .. 'lines', f.fn)
        return
    end
    call('ZADD', line_of(f), score, id)
    if f.has_begun and f.deadline and f.breaker then
        begin_hold(f)
        call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
    end
    if f.begun then
        call('ZADD', P .. 'heads:' .. f.fn, now, f.line)
    else
        call('ZADD', P .. 'heads:' .. f.fn, 'NX', now, f.line)
    end
    call('SADD', P .. 'lines', f.fn)
end

local function leave_line(id, f)
    call('ZREM', line_of(f), id)
    call('ZREM', P .. 'queue:' .. f.fn, id)
    if not f.held then return end
    call('ZREM', P .. 'debounced', id)
    local debounce = P .. 'debounce:' .. f.held.by
    if call('GET', debounce) == id then call('UNLINK', debounce) end
end

local function is_in_its_line(id, f)
    return call('ZSCORE', f.held and P .. 'debounced' or line_of(f), id)
end

-- A line that found no place of that name is tried now. Whether there was one.
local function wake_blocked(place)
    local first = call('ZPOPMIN', P .. 'blocked:' .. place)[1]
    local fn, line = (first or ''):match('^(%Z*)%z(.*)$')
    if not fn then return false end
    call('ZADD', P .. 'heads:' .. fn, 'XX', now, line)
    return true
end

-- How long the function has been paused in all, ms.
local function paused_ms(fn)
    return tonumber(call('HGET', P .. 'paused_ms', fn) or 0)
end

local function set_deadline(id, f, at)
    f.deadline, f.paused = at, at and paused_ms(f.fn)
    begin_hold(f)
    if not at then
        call('ZREM', P .. 'deadlines', id)
        return
    end
    call('ZADD', P .. 'deadlines', at, id)
    call('SADD', P .. 'timed', f.fn)
end

-- It is to begin in time after `since`.
local function expect_begin(id, f, since)
    f.has_begun = nil
    if f.start or f.finish then set_deadline(id, f, f.start and since + f.start) end
end

-- It executes from now on: no breaker holds it.
local function note_begin(id, f)
    if not f.start and not f.finish then return end
    if not f.has_begun then
        f.has_begun = true
        set_deadline(id, f, f.finish and now + f.finish)
    elseif f.deadline then
        f.deadline = f.deadline + held_ms(f)
        call('ZADD', P .. 'deadlines', f.deadline, id)
    end
    f.opened = nil
end

-- The run executes no longer. When: now, or 0 where nobody waited for its places.
local function release_places(id, f)
    local woken = 0
    for _, place in ipairs(f.places) do
        if call('ZREM', P .. 'places:' .. place, id) == 1 and wake_blocked(place) then woken = now end
    end
    return woken
end

local function release_if_flow(id, h)
    local f = has(h.flags, FLOW) and flow_of(id)
    return f and release_places(id, f) or 0
end

-- What lines are blocked by where as many runs of the function live as may.
local function living_of(fn)
    return '*' .. fn
end

-- Runs that live no longer: a fault of Redis, or an older daemon, may leave some.
local function drop_ended(living)
    for _, id in ipairs(call('ZRANGE', living, 0, 9)) do
        local h, newer = load(id)
        if newer or h and not HAS_ENDED[h.status] then
            call('ZADD', living, now_us, id)
        else
            call('ZREM', living, id)
        end
    end
end

-- It lives no longer. When: now, or 0 where nobody waited for that.
local function leave_living(id, f)
    if not f.lives or call('ZREM', P .. 'living:' .. f.fn, id) == 0 then return 0 end
    return wake_blocked(living_of(f.fn)) and now or 0
end

-- Later events mean nothing to it any more (waits.lua).
local function forget_wishes(id, f)
    for i, key in ipairs(f.wishes or {}) do
        call('ZREM', P .. 'wait:' .. key, id .. ':' .. i)
        call('UNLINK', P .. 'await:' .. id .. ':' .. i)
    end
    f.wishes = nil
    if f.expects then call('UNLINK', P .. 'kept:' .. id) end
end

-- The run has ended as `status`; one that a person may retry keeps its keys.
local function end_flow(id, h, status)
    local f = has(h.flags, FLOW) and flow_of(id)
    if not f then return 0 end
    if h.status ~= RUN_OWNED or f.held then leave_line(id, f) end
    local woken = leave_living(id, f)
    if f.deadline then call('ZREM', P .. 'deadlines', id) end
    forget_wishes(id, f)
    if f.lock and call('GET', P .. 'lock:' .. f.lock) == id then call('UNLINK', P .. 'lock:' .. f.lock) end
    if status == RUN_COMPLETED then
        call('UNLINK', P .. 'flow:' .. id)
    elseif f.held then
        f.held = nil
        call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
    end
    return math.max(woken, release_places(id, f))
end

-- Lines that an open breaker holds are blocked under this name.
local function held_by(breaker)
    return '!' .. breaker
end

-- Other breakers are open than before: heartbeats tell all of them.
local function note_breakers()
    call('SET', P .. 'breakers_at', string.format('%.0f', now_us))
end
