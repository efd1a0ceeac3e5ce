-- SPDX-License-Identifier: Apache-2.0
-- A run whose record can't be read ends among the dead, for a person to look at.
local id, worker = ARGV[1], ARGV[2]
call('ZREM', P .. 'delayed', id)
call('ZREM', P .. 'owned:' .. worker, id)
if call('EXISTS', P .. 'run:' .. id) == 1 then
    local h = load(id)
    if h then
        h.status, h.changed = 'f', now
        save(id, h)
    end
    call('ZADD', P .. 'dead', now, id)
end
return { 0, now }
