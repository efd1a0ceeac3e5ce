-- SPDX-License-Identifier: Apache-2.0
-- Runs that were cancelled while nobody executed them, and whose stepd/function.cancelled is not known to be out, are given to
-- who asks, at most `max`. They are given to another where the first does not say in time that it is out (told.lua). One that a
-- person has begun anew meanwhile is given as it was before. In its header stands until when it is given.
-- Answers: 0; now; the runs, each [id, header, record, []] as claim.lua gives them; how many more there are.
local TELLS_MS, BYTES = 30000, 8 * 1024 * 1024
local untold, max = P .. 'untold', tonumber(ARGV[1])
local runs, bytes = {}, 0
for _, id in ipairs(max > 0 and call('ZRANGEBYSCORE', untold, '-inf', now, 'LIMIT', 0, max) or {}) do
    local raw = read('GET', P .. 'run:' .. id)
    local h = raw and parsed(raw)
    if h and has(h.flags, TELL) then
        bytes = bytes + #raw
        if bytes > BYTES and #runs > 0 then break end
        call('ZADD', untold, now + TELLS_MS, id)
        h.status, h.changed = RUN_CANCELLED, now + TELLS_MS
        runs[#runs + 1] = { id, packed(h), raw, {} }
    elseif raw and newer_status(raw) then
        call('ZADD', untold, now + TELLS_MS, id) -- for those who know it
    else
        call('ZREM', untold, id)
    end
end
return { 0, now, runs, call('ZCOUNT', untold, '-inf', now) }
