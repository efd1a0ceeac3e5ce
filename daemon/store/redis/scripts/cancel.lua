-- SPDX-License-Identifier: Apache-2.0
-- A person wants a run to end. Answers: 0 it has, 1 its worker was asked to, 2 it had ended before or
-- is not there; now; when something became due by it.
local id = ARGV[1]
local order, history = order_of({ fn = ARGV[2], place = ARGV[3], offset = ARGV[4], key = ARGV[5] }), ARGV[6]
local h = load(id)
if not h or h.status == 'c' or h.status == 'f' then return { 2, now, 0 } end
if h.status == 'x' then return { 0, now, 0 } end
if h.status == 'o' then
    if not has(h.flags, CANCEL) then h.flags = h.flags + CANCEL end
    save(id, h)
    call('SADD', P .. 'asked:' .. hex(h.owner), id)
    return { 1, now, 0 }
end
call('ZREM', P .. 'delayed', id)
call('ZREM', P .. 'waiting', id)
call('ZREM', P .. 'line:' .. ARGV[2], id)
if h.status == 'b' then order.leave_behind(id) end
local woken = conclude(id, h, 'x', history, 0)
return { 0, now, math.max(woken, has(h.flags, ORDERED) and order.release(id) or 0) }
