-- SPDX-License-Identifier: Apache-2.0
-- Who of a function's runs in line may begin. `rules` are the function's numbers of today, msgpack: interval and tolerance,
-- µs, of its throttle (nil: none); limits, one for each of a run's places; breaker, whether it has one; lives, how many of its runs
-- may live, of those that count (nil: any number); early, how many turns may be given before they are there (throttle.lua).
local TRIES = 20 -- lines that are looked at in vain for one function, in one call

local LATE_MS = 100 -- a line whose first should have begun by now: expire.lua sees to it
local PROBE_MS = 86400000 -- the run that a breaker lets begin alone is known as long

local headers = {} -- of those that have their turn (throttle.lua), as they were read

-- Places of runs that do not execute any more: a fault of Redis, or an older daemon, may leave some.
local function drop_stale(place)
    for _, id in ipairs(call('ZRANGE', place, 0, 9)) do
        local h = load(id)
        if has_turn[id] or h and h.status == RUN_OWNED then
            call('ZADD', place, now_us, id)
        else
            call('ZREM', place, id)
        end
    end
end

-- How long no place is given yet, since attempts that Redis has forgotten may execute (heartbeat.lua), ms; 0: they are.
local closed_ms
local function places_closed_ms()
    closed_ms = closed_ms or math.max(call('PTTL', P .. 'reborn'), 0)
    return closed_ms
end

local function is_full(place, limit)
    local name = P .. 'places:' .. place
    if not limit or call('ZCARD', name) < limit then return false end
    drop_stale(name)
    return call('ZCARD', name) >= limit
end

-- As many runs of the function live as may, each of which is tried with each event that could cancel it.
local function are_too_many(f, rules)
    local living = P .. 'living:' .. f.fn
    if not f.lives or f.begun or not rules.lives or call('ZCARD', living) < rules.lives then return false end
    drop_ended(living)
    return call('ZCARD', living) >= rules.lives
end

local function note_life(id, f, rules)
    if not f.lives then return end
    local blocked = living_of(f.fn)
    call('ZADD', P .. 'living:' .. f.fn, now_us, id)
    call('ZREM', P .. 'blocked:' .. blocked, f.fn .. '\0' .. f.line)
    if not rules.lives or call('ZCARD', P .. 'living:' .. f.fn) < rules.lives then wake_blocked(blocked) end
end

-- When the throttle lets the next one begin, µs; 0: now. And until when its turns are used up; nil: it takes none.
local function turn_at(f, rules)
    if f.begun or not f.turn or not rules.interval then return 0, nil end
    local tat = tonumber(call('GET', P .. 'turn:' .. f.turn) or 0)
    return tat - now_us > rules.tolerance and tat - rules.tolerance or 0, tat
end

local function take_turn(f, rules, used)
    if not used then return end
    local tat = math.max(used, now_us) + rules.interval
    call('SET', P .. 'turn:' .. f.turn, string.format('%.0f', tat), 'PX', math.ceil((tat - now_us) / 1000) + 1)
end

local function take_places(id, f, rules)
    for i, place in ipairs(f.places) do
        local limit = rules.limits[i]
        call('ZADD', P .. 'places:' .. place, now_us, id)
        call('ZREM', P .. 'blocked:' .. place, f.fn .. '\0' .. f.line)
        if not limit or call('ZCARD', P .. 'places:' .. place) < limit then wake_blocked(place) end
    end
end

-- When the run's breaker lets it begin, 0: now; whether it does so though it is open, to try.
local function after_breaker(id, h, f, rules)
    local till = h.phase == 0 and rules.breaker and f.breaker and call('ZSCORE', P .. 'breakers', f.breaker)
    if not till then return 0, false end
    if tonumber(till) > now then return tonumber(till), false end
    local probe = call('GET', P .. 'probe:' .. f.breaker)
    if not probe or probe == id then return 0, true end
    local other = load(probe)
    if has_turn[probe] or other and other.status == RUN_OWNED then return now + TRY_AGAIN_MS, false end
    return 0, true
end

-- Whether the run may begin; else when its line is to be tried again, ms.
local function grant(id, h, f, rules)
    if f.deadline and not f.has_begun and f.deadline <= now then return false, now + LATE_MS end
    local at, used = turn_at(f, rules)
    if at > 0 then return false, math.ceil(at / 1000) end
    if are_too_many(f, rules) then
        call('ZADD', P .. 'blocked:' .. living_of(f.fn), 'NX', now_us, f.fn .. '\0' .. f.line)
        return false, now + TRY_AGAIN_MS
    end
    if #f.places > 0 and places_closed_ms() > 0 then return false, now + places_closed_ms() end
    for i, place in ipairs(f.places) do
        if is_full(place, rules.limits[i]) then
            call('ZADD', P .. 'blocked:' .. place, 'NX', now_us, f.fn .. '\0' .. f.line)
            for k = 1, i - 1 do wake_blocked(f.places[k]) end
            return false, now + TRY_AGAIN_MS
        end
    end
    local again, is_probe = after_breaker(id, h, f, rules)
    if again > 0 then
        call('ZADD', P .. 'blocked:' .. held_by(f.breaker), 'NX', now_us, f.fn .. '\0' .. f.line)
        for _, place in ipairs(f.places) do wake_blocked(place) end
        return false, again
    end
    if is_probe then call('SET', P .. 'probe:' .. f.breaker, id, 'PX', PROBE_MS) end
    take_turn(f, rules, used)
    take_places(id, f, rules)
    note_life(id, f, rules)
    has_turn[id] = is_probe and 2 or 1
    return true
end

-- The line's runs that may begin, up to `room`, are added to `ids`.
local function serve_line(fn, line, rules, room, ids)
    local heads, key = P .. 'heads:' .. fn, P .. 'line:' .. fn .. '\0' .. line
    local waiting, gone, served, again = call('ZRANGE', key, 0, room - 1), {}, 0, now
    for _, id in ipairs(waiting) do
        local h, f = load(id), flow_of(id)
        if h and h.status == RUN_QUEUED and f then
            local may, at = grant(id, h, f, rules)
            if not may then
                again = at
                break
            end
            f.begun = true
            note_begin(id, f)
            call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
            ids[#ids + 1], headers[id] = id, h
            served = served + 1
        end
        gone[#gone + 1] = id
    end
    if #gone > 0 then
        call('ZREM', key, unpack(gone))
        call('ZREM', P .. 'queue:' .. fn, unpack(gone))
    end
    if #gone == #waiting and #waiting < room then
        call('ZREM', heads, line) -- none is left
    else
        call('ZADD', heads, again, line)
    end
    return served
end

-- Answers when a line of the function is to be tried next, ms; -1: it has none.
local function serve(fn, packed_rules, room, ids)
    local heads, rules = P .. 'heads:' .. fn, cmsgpack.unpack(packed_rules)
    local knows_turns_alone = #rules.limits == 0 and not rules.breaker and not rules.lives
    local tries = knows_turns_alone and 0 or TRIES
    local till = knows_turns_alone and (rules.early or 0) > 0 and now + AHEAD_US / 1000 or now
    local due = room > 0 and call('ZRANGEBYSCORE', heads, '-inf', till, 'LIMIT', 0, room + tries) or {}
    if knows_turns_alone then
        serve_throttled(fn, due, rules, room, ids, serve_line)
        due = {}
    end
    for _, line in ipairs(due) do
        if room <= 0 then break end
        room = room - serve_line(fn, line, rules, room, ids)
    end
    local first = call('ZRANGE', heads, 0, 0, 'WITHSCORES')
    return first[2] and tonumber(first[2]) or -1
end
