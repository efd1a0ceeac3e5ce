-- SPDX-License-Identifier: Apache-2.0
-- One change of one run, as take.lua and advance.lua are asked for it: 'C' checkpoint, 'P' park, 'H' phase,
-- 'F' finish, 'B' bury. port.c says what `change` holds. Of a run that the store does not know `tail` has the
-- whole of its record behind its header: the body, and then the tail. The last arguments may be missing where the run is
-- not ordered.
local id, change, owner, worker, checkpoint, tail = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local kind, phase, bits, status, attempt, _, epoch, position, state_limit, _, _, due, created, offset, lease, history =
    struct.unpack('<c1BBc1HHI4I4I4I4i8i8i8i8i8c1', change)
local position_text = change:sub(143)
local ordered, clears, has_tail, in_line, begins_list = has(bits, 1), has(bits, 2), has(bits, 4), has(bits, 8), has(bits, 16)
local several = has(bits, 32) -- its record is of that version
local order = ordered and order_of({ fn = ARGV[7], place = ARGV[8], offset = offset, key = ARGV[9] })
local run, steps, owned, held = P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'owned:' .. worker, P .. 'held:' .. worker
local ENDS = { F = RUN_COMPLETED, B = RUN_FAILED }

-- A parked run is due at its time, or waits in its function's line for room. Answers when something is due by it, 0: nothing.
local function list_parked()
    if not in_line then
        call('ZADD', status == RUN_WAITING and P .. 'waiting' or delayed_of({ version = several and SEVERAL }), due, id)
        return due
    end
    call('SADD', P .. 'lines', ARGV[7])
    call('ZADD', P .. 'line:' .. ARGV[7], due, id)
    return 0
end

-- What is no longer owned by us may be what this very call, sent before, made of it.
local function answer_again(h)
    if kind == 'P' and (h.status == RUN_DELAYED or h.status == RUN_SLEEPING or h.status == RUN_WAITING or h.status == RUN_BEHIND or h.status == RUN_QUEUED) then
        return { OK, now, h.epoch, h.changed, 0 }
    end
    if h.status == RUN_CANCELLED then return { CANCELLED, now, h.epoch, tonumber(call('ZSCORE', P .. 'untold', id) or 0), 0 } end
    return { h.status == ENDS[kind] and OK or MOVED, now, h.epoch, 0, 0 }
end

-- Among what its worker holds.
local function list_owned()
    if several then
        call('SADD', held, id)
        call('ZADD', P .. 'holders', 'NX', now + lease, worker)
    else
        call('ZADD', owned, now_text, id)
        call('ZADD', P .. 'workers', 'NX', now + lease, worker)
    end
end
