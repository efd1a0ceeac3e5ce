-- SPDX-License-Identifier: Apache-2.0
-- The run has ended as `status`. Answers when something became due by it, 0: nothing. history: what is kept of those that have, 'n' (failures only), 'f' or 'a'.
-- One that was cancelled keeps the flag TELL, and stands in `untold`, until its stepd/function.cancelled is out: whoever ended
-- it has `patience` ms to bring it out (told.lua), then others are given it (untold.lua). That stays so where a person begins it
-- anew meanwhile: its record is kept then, however it ends.
local function conclude(id, h, status, history, patience)
    if has(h.flags, INVOKED) then tell_caller(id, h, status, told_value) end
    local woken = end_flow(id, h, status)
    h.status, h.changed, h.flags = status, now, without(h.flags, CANCEL)
    if status == RUN_CANCELLED then
        if not has(h.flags, TELL) then h.flags = h.flags + TELL end
        call('ZADD', P .. 'untold', now + patience, id)
    end
    if history == 'n' and status == RUN_COMPLETED and not has(h.flags, TELL) then
        call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'flow:' .. id)
        if h.folded then call('UNLINK', h.folded) end
        call('ZREM', P .. 'newest', id)
        return woken
    end
    save(id, h)
    if history == 'n' and status ~= RUN_FAILED then return woken end
    call('ZADD', P .. (status == RUN_FAILED and 'dead' or 'history'), now_text, id)
    return woken
end
