-- SPDX-License-Identifier: Apache-2.0
-- Runs that have waited until their time was over are due now, at most 100 a call. An entry whose run waits no longer goes.
-- Answers: how many are due; now; when the next one's time is over, -1: none is.
local list, due = P .. 'waiting', 0
for _, id in ipairs(call('ZRANGEBYSCORE', list, '-inf', now, 'LIMIT', 0, 100)) do
    local h = load(id)
    if h and h.status == RUN_WAITING then
        h.status, h.changed = RUN_DELAYED, now
        save(id, h)
        call('ZADD', delayed_of(h), now, id)
        due = due + 1
    end
    call('ZREM', list, id)
end
local first = call('ZRANGE', list, 0, 0, 'WITHSCORES')
return { due, now, first[2] and tonumber(first[2]) or -1 }
