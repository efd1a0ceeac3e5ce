-- SPDX-License-Identifier: Apache-2.0
-- A run is to end, whoever wants it to. `fn` is its function; `o` what it waits in, where it is ordered (order.lua).
-- Answers: 0 it has ended, 1 its worker was asked to, 2 it had ended before; when something became due by it, 0: nothing.
local function cancel_run(id, h, fn, o, history)
    if h.status == RUN_COMPLETED or h.status == RUN_FAILED then return 2, 0 end
    if h.status == RUN_CANCELLED then return 0, 0 end
    if h.status == RUN_OWNED then
        if not has(h.flags, CANCEL) then h.flags = h.flags + CANCEL end
        fold(id, h) -- what its owner asks next is heard by a script, which sees the flag
        save(id, h)
        call('SADD', P .. 'asked:' .. hex(h.owner), id)
        return 1, 0
    end
    local order = has(h.flags, ORDERED) and o and order_of(o)
    call('ZREM', delayed_of(h), id)
    call('ZREM', P .. 'waiting', id)
    call('ZREM', P .. 'line:' .. fn, id)
    if h.status == RUN_BEHIND and order then order.leave_behind(id) end
    local woken = conclude(id, h, RUN_CANCELLED, history, 0)
    return 0, math.max(woken, order and order.release(id) or 0)
end

-- The same of a run with the flag FLOW.
local function cancel_flow(id, h, f, history)
    return cancel_run(id, h, f.fn, f.place and { fn = f.fn, place = f.place, offset = f.offset, key = f.key }, history)
end
