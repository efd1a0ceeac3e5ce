-- SPDX-License-Identifier: Apache-2.0
-- The run has ended as `status`. Answers when something became due by it, 0: nothing. history: what is kept of those that have, 'n' (failures only), 'f' or 'a'.
local function conclude(id, h, status, history)
    local woken = end_flow(id, h, status)
    h.status, h.changed, h.flags = status, now, without(h.flags, CANCEL)
    if history == 'n' and status ~= 'f' then
        call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'flow:' .. id)
        call('ZREM', P .. 'newest', id)
        return woken
    end
    save(id, h)
    call('ZADD', P .. (status == 'f' and 'dead' or 'history'), now_text, id)
    return woken
end
