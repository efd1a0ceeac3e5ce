-- SPDX-License-Identifier: Apache-2.0
-- What drops a run: `ask` has rate, interval, tolerance (µs) of its rate limit; lock of its singleton, and cancels, whether it
-- ends the older one; history (ending.lua).
local OVER_RATE, NOT_ALONE = 3, 4

-- When the key's turns are used up until, µs.
local function rate_until(rate)
    return math.max(tonumber(call('GET', P .. 'rate:' .. rate) or 0), now_us)
end

-- The other run that lives under the key: its id and header; true in their place: it is of a later version.
local function other_of(id, lock)
    local holder = call('GET', P .. 'lock:' .. lock)
    if not holder or holder == id then return nil end
    local h, newer = load(holder)
    if not h then return newer and true or nil end
    return not HAS_ENDED[h.status] and holder or nil, h
end

-- Why the run starts nothing; nil: it may begin.
local function refusal(id, ask)
    if ask.rate and rate_until(ask.rate) - now_us > ask.tolerance then return OVER_RATE end
    if ask.lock and not ask.cancels and other_of(id, ask.lock) then return NOT_ALONE end
    return nil
end

-- It begins: this is remembered.
local function let_in(id, ask)
    if ask.rate then
        local tat = rate_until(ask.rate) + ask.interval
        call('SET', P .. 'rate:' .. ask.rate, string.format('%.0f', tat), 'PX', math.ceil((tat - now_us) / 1000) + 1)
    end
    if not ask.lock then return end
    local other, h = other_of(id, ask.lock)
    local f = h and other and flow_of(other)
    if f then cancel_flow(other, h, f, ask.history) end
    call('SET', P .. 'lock:' .. ask.lock, id)
end
