-- SPDX-License-Identifier: Apache-2.0
-- Runs whose time to begin, or to end, is over are cancelled, at most 20 a call; time during which their function was paused, or
-- its breaker held them, does not count. `states`, msgpack, has what the asking daemon knows of functions: 0 it is not paused,
-- 1 it is, 2 it is not there. Answers: how many were cancelled; now; when the next one's time is over, -1: never; functions with
-- such runs that it is to look up; when something became due.
local history, states = ARGV[1], cmsgpack.unpack(ARGV[2])
local THERE, PAUSED = 0, 1
local UNKNOWN_MS, PAUSED_MS, ABSENT_MS = 100, 250, 60000
local deadlines = P .. 'deadlines'

-- Each time that a function is found to be paused, all since the last time counts.
for fn, state in pairs(states) do
    local since = call('HGET', P .. 'pausing', fn)
    if since then call('HINCRBY', P .. 'paused_ms', fn, now - since) end
    if state == PAUSED then
        call('HSET', P .. 'pausing', fn, now_text)
    elseif since then
        call('HDEL', P .. 'pausing', fn)
    end
end

-- How long nothing could be done for it, of which nothing was known before.
local function idle_ms(f)
    local idle = paused_ms(f.fn) - f.paused
    f.paused = f.paused + idle
    return idle + held_ms(f)
end

local cancelled, woken = 0, 0
local function look_at(id, h, f)
    local state = states[f.fn]
    if not state then
        call('ZADD', deadlines, now + UNKNOWN_MS, id)
        return
    end
    local idle = idle_ms(f)
    if state > PAUSED then
        call('ZADD', deadlines, now + ABSENT_MS, id)
    elseif idle > 0 or state == PAUSED then
        f.deadline = f.deadline + idle
        call('ZADD', deadlines, state == PAUSED and math.max(f.deadline, now + PAUSED_MS) or f.deadline, id)
        call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
    else
        call('ZREM', deadlines, id)
        local _, at = cancel_flow(id, h, f, history)
        cancelled, woken = cancelled + 1, math.max(woken, at)
    end
end

for _, id in ipairs(call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, 20)) do
    local h, f = load(id), flow_of(id)
    if h and f and f.deadline and not HAS_ENDED[h.status] then
        look_at(id, h, f)
    else
        call('ZREM', deadlines, id)
    end
end
local unknown = {}
for _, fn in ipairs(call('SMEMBERS', P .. 'timed')) do
    if not states[fn] then unknown[#unknown + 1] = fn end
end
local first = call('ZRANGE', deadlines, 0, 0, 'WITHSCORES')
if not first[1] then call('UNLINK', P .. 'timed', P .. 'pausing', P .. 'paused_ms') end
return { cancelled, now, first[2] and tonumber(first[2]) or -1, unknown, woken }
