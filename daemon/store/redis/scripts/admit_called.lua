-- SPDX-License-Identifier: Apache-2.0
-- A run that was called, which we hold and whose function's limits are of all daemons: as admit.lua decides of an event, but
-- that it is not debounced. What starts nothing leaves no run behind, and its caller hears of it. Answers: 0 it begins, 1 it is in line, 2 a duplicate, 3 over
-- the rate limit, 4 another of its key lives; 7 it is another's; now; when it is due, 0: not in line.
local id, owner, worker, fn, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local ask = cmsgpack.unpack(ARGV[6])
local BEGINS, IN_LINE, DUPLICATE, ANOTHERS = 0, 1, 2, 7

local h = load(id)
if h and h.status == RUN_QUEUED and h.epoch == epoch then return { IN_LINE, now, 0 } end
if not h or h.status ~= RUN_OWNED or h.owner ~= owner or h.epoch ~= epoch then return { ANOTHERS, now, 0 } end
if not has(h.flags, UNASKED) then return { BEGINS, now, 0 } end

local function skip(how, why)
    fail_caller(id, h.flags, 'InvokeSkipped', 'function ' .. fn .. ' started nothing: ' .. why)
    call('ZREM', P .. 'owned:' .. worker, id)
    call('ZREM', P .. 'newest', id)
    if has(h.flags, TELL) then -- it was cancelled and begun anew: told.lua drops it
        h.status, h.changed = RUN_CANCELLED, now
        save(id, h)
    else
        call('UNLINK', P .. 'run:' .. id)
    end
    return { how, now, 0 }
end

local WHY = { [OVER_RATE] = 'it is over its rate limit', [NOT_ALONE] = 'another run of its key has not ended (singleton)' }
local first = ask.duplicate or ask.seen and call('GET', P .. 'seen:' .. ask.seen)
if first and first ~= ask.origin then return skip(DUPLICATE, 'its key was seen within its dedupe window') end
local why = refusal(id, ask)
if why then return skip(why, WHY[why]) end

h.flags = without(h.flags, UNASKED)
if not ask.flow then
    save(id, h)
else
    h.flags, h.status, h.changed = h.flags + FLOW, RUN_QUEUED, now
    save(id, h)
    call('ZREM', P .. 'owned:' .. worker, id)
end
if ask.seen then call('SET', P .. 'seen:' .. ask.seen, ask.origin, 'NX', 'PX', ask.window) end
let_in(id, ask)
if not ask.flow then return { BEGINS, now, 0 } end
local f = ask.flow
f.fn, f.lock, f.begun, f.ahead, f.score = fn, ask.lock, false, ask.ahead, now_us - ask.ahead
expect_begin(id, f, h.created)
make_wishes(id, f, h.created)
call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
enter_line(id, f)
return { IN_LINE, now, now }
