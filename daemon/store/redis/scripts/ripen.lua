-- SPDX-License-Identifier: Apache-2.0
-- Debounced runs that no later event is waited for any more, at most 20 a call: they join their lines, or what stands behind
-- debounce (rules.lua) lets them start nothing. Answers: how many; now; when the next one is due, -1: none waits; of each that
-- joined its function; of each that starts nothing its function and why, as admit.lua answers it.
local debounced, joined, refused = P .. 'debounced', {}, {}

local function join(id, f)
    let_in(id, f.held.ask)
    f.lock, f.score = f.held.ask.lock or false, now_us - f.ahead
    f.held = nil
    call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
    enter_line(id, f)
    joined[#joined + 1] = f.fn
end

-- Dedupe does not remember it.
local function drop(id, h, f, why)
    local ask = f.held.ask
    if ask.seen and call('GET', P .. 'seen:' .. ask.seen) == ask.origin then call('UNLINK', P .. 'seen:' .. ask.seen) end
    end_flow(id, h, RUN_COMPLETED)
    call('UNLINK', P .. 'run:' .. id)
    call('ZREM', P .. 'newest', id)
    refused[#refused + 1] = f.fn
    refused[#refused + 1] = why
end

local ids = call('ZRANGEBYSCORE', debounced, '-inf', now, 'LIMIT', 0, 20)
for _, id in ipairs(ids) do
    call('ZREM', debounced, id)
    local h, newer = load(id)
    local f = not newer and flow_of(id)
    if h and h.status == RUN_QUEUED and f and f.held then
        local why = refusal(id, f.held.ask)
        if why then drop(id, h, f, why) else join(id, f) end
    elseif f and not h then -- its record is lost
        leave_line(id, f)
        call('UNLINK', P .. 'flow:' .. id)
    end
end
local first = call('ZRANGE', debounced, 0, 0, 'WITHSCORES')
return { #ids, now, first[2] and tonumber(first[2]) or -1, joined, refused }
