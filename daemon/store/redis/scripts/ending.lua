-- SPDX-License-Identifier: Apache-2.0
-- The run has ended as `status`. history: what is kept of those that have, 'n' (failures only), 'f' or 'a'.
local function conclude(id, h, status, history)
    h.status, h.changed, h.flags = status, now, h.flags % CANCEL
    if history == 'n' and status ~= 'f' then
        call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id)
        call('ZREM', P .. 'newest', id)
        return
    end
    save(id, h)
    call('ZADD', P .. (status == 'f' and 'dead' or 'history'), now_text, id)
end
