-- SPDX-License-Identifier: Apache-2.0
-- An event of a function whose limits are of all daemons: it starts nothing, or a run that may begin at once, or one that
-- waits in line for its turn. All is decided first and written last: what a later rule refuses the earlier ones do not
-- remember. An event that comes again goes on without being asked, as long as its offset is not committed. `ask`, msgpack:
-- seen, window, origin (of dedupe); rate, interval, tolerance (µs); lock; flow (as flow.lua has it, where it waits in line:
-- `ahead` µs before others); older_id. What is not asked is left out.
-- Answers: 0 it begins, 1 it is in line, 2 a duplicate, 3 over the rate limit, 4 another of its key lives; now; when it
-- is due, 0: not in line.
local id, owner, fn, place, offset, key = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local epoch, created, body, is_ordered = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10], ARGV[11] == '1'
local ask = cmsgpack.unpack(ARGV[12])
local BEGINS, IN_LINE, DUPLICATE, OVER_RATE, NOT_ALONE = 0, 1, 2, 3, 4
local taken, admitted = P .. 'taken:' .. place, P .. 'admitted:' .. place

if ask.flow and (load(id) or call('ZSCORE', taken, id)) then return { IN_LINE, now, 0 } end
local is_known = call('ZSCORE', admitted, id)
if is_known and not ask.flow then return { BEGINS, now, 0 } end

-- The key's window began with another event.
local function is_duplicate()
    local first = ask.seen and call('GET', P .. 'seen:' .. ask.seen)
    return first and first ~= ask.origin
end

-- When the key's turns are used up until, µs.
local function rate_until()
    return math.max(tonumber(call('GET', P .. 'rate:' .. ask.rate) or 0), now_us)
end

local function other_lives()
    local holder = ask.lock and call('GET', P .. 'lock:' .. ask.lock)
    if not holder or holder == id then return false end
    local h, newer = load(holder)
    return newer or h and not HAS_ENDED[h.status]
end

if not is_known then
    if is_duplicate() then return { DUPLICATE, now, 0 } end
    if ask.rate and rate_until() - now_us > ask.tolerance then return { OVER_RATE, now, 0 } end
    if other_lives() then return { NOT_ALONE, now, 0 } end
end

-- The first write is one that a full Redis refuses: it allows all that follows a write.
local h = { status = 'q', phase = 0, flags = FLOW + (is_ordered and ORDERED or 0), attempt = 0, takeovers = 0, epoch = epoch,
            checkpoints = 0, created = created, changed = now, body = #body, tail = 0, state = 0, unclean = 0, owner = owner }
if ask.flow then
    call('SET', P .. 'run:' .. id, packed(h) .. body)
else
    call('ZADD', admitted, offset, id)
end
if ask.seen then call('SET', P .. 'seen:' .. ask.seen, ask.origin, 'NX', 'PX', ask.window) end
if ask.rate and not is_known then
    local tat = rate_until() + ask.interval
    call('SET', P .. 'rate:' .. ask.rate, string.format('%.0f', tat), 'PX', math.ceil((tat - now_us) / 1000) + 1)
end
if not ask.flow then return { BEGINS, now, 0 } end

if ask.lock then call('SET', P .. 'lock:' .. ask.lock, id) end
call('ZADD', taken, 'NX', offset, id)
if ask.older_id then call('ZADD', taken, 'NX', offset, ask.older_id) end
call('ZADD', P .. 'newest', created, id)
local f = ask.flow
f.fn, f.lock, f.begun, f.score = fn, ask.lock, false, now_us - ask.ahead
call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
local order = is_ordered and order_of({ fn = fn, place = place, offset = offset, key = key })
if order and not order.become_head(id) then
    call('SETRANGE', P .. 'run:' .. id, 1, 'b')
    order.wait_behind(id)
    return { IN_LINE, now, 0 }
end
enter_line(id, f)
return { IN_LINE, now, now }
