-- SPDX-License-Identifier: Apache-2.0
-- A run that its owner can bring no further, since its record can't be read or all that becomes of it is
-- refused, ends among the dead, for a person to look at. Those of its key that wait behind it go on by the sweep. Where it was
-- cancelled before, and that is not told yet, it still is, unless it is who was to tell that condemns it.
local id, owner, worker = ARGV[1], ARGV[2], ARGV[3]
call('ZREM', P .. 'owned:' .. worker, id)
call('SREM', P .. 'held:' .. worker, id)
local h = load(id)
if h and h.status == RUN_OWNED and h.owner ~= owner then return { 0, now } end -- another's meanwhile
call('ZREM', P .. 'delayed', id)
call('ZREM', P .. 'delayed-3', id)
if call('EXISTS', P .. 'run:' .. id) == 0 then return { 0, now } end
if h then
    fold(id, h)
    end_flow(id, h, RUN_FAILED)
    tell_caller(id, h, RUN_FAILED)
    if h.status ~= RUN_OWNED then h.flags = without(h.flags, TELL) end
    h.status, h.changed = RUN_FAILED, now
    save(id, h)
end
call('ZADD', P .. 'dead', now_text, id)
return { 0, now }
