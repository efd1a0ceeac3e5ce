-- SPDX-License-Identifier: Apache-2.0
-- A run's first change: its record is made by it, unless there is one. `epoch`, with which it begins, is
-- this attempt's own: a call sent again is known by it, and what was said under a record that is no more
-- never counts for one that was made anew.
-- ARGV[12], of a run of several events, msgpack: each one's place, offset and id.
-- Answers: how, now, epoch, due, when something became due by it (0: nothing did).
local place, older_id = ARGV[8], ARGV[11]
local rest, tail_size, ended = tail, struct.unpack('<I4', ARGV[10], 37), ENDS[kind]
tail = rest:sub(#rest - tail_size + 1)

-- The same call sent before, or another attempt on its message.
local function answer_taken(h)
    if not h then return { MOVED, now, 0, 0, 0 } end
    if h.epoch ~= epoch or h.owner ~= owner then return { MOVED, now, h.epoch, 0, 0 } end
    if h.status ~= RUN_OWNED then return answer_again(h) end
    local is_same = false
    if kind == 'C' then
        local first = h.version == ADDED and position == 0 and call('LRANGE', added_of(id, h), 0, 0)[1]
        is_same = checkpoint == '' or first == checkpoint or tonumber(call('ZSCORE', steps, checkpoint) or -1) == position
    elseif kind == 'H' then
        is_same = h.phase == phase and call('GETRANGE', run, HEADER_SIZE + h.body, HEADER_SIZE + h.body + h.tail - 1) == tail
    end
    return { is_same and OK or MOVED, now, h.epoch, 0, 0 }
end

if kind == 'F' and history ~= 'a' then return { OK, now, 0, 0, 0 } end
if #checkpoint > state_limit then return { LIMIT, now, 0, 0, 0 } end
-- The first write is one that a full Redis refuses: it allows all that follows a write.
local made = call('SET', run, ARGV[10] .. owner .. rest, 'NX')
if not made then return answer_taken(load(id)) end
if kind ~= 'F' and call('ZADD', P .. 'taken:' .. place, 'NX', offset, id) == 0 then
    call('UNLINK', run) -- taken over and ended while this copy of the message was worked on
    return { MOVED, now, 0, 0, 0 }
end
-- Of several events each is taken over, under the id that it would have alone.
for _, event in ipairs(kind ~= 'F' and several and cmsgpack.unpack(ARGV[12]) or {}) do
    call('ZADD', P .. 'taken:' .. event[1], 'NX', event[2], event[3])
end
if kind ~= 'F' and older_id then call('ZADD', P .. 'taken:' .. place, 'NX', offset, older_id) end
if checkpoint ~= '' then
    call('UNLINK', steps)
    call('ZADD', steps, position_text, checkpoint)
end
call('ZADD', P .. 'newest', created, id)

if ended then
    call('ZADD', P .. (ended == RUN_FAILED and 'dead' or 'history'), now_text, id)
    return { OK, now, epoch, 0, 0 }
end
local is_head = not ordered or order.become_head(id)
if kind ~= 'P' then
    list_owned()
    return { OK, now, epoch, 0, 0 }
end
if is_head then return { OK, now, epoch, due, list_parked() } end
call('SETRANGE', run, 1, RUN_BEHIND)
order.wait_behind(id)
return { OK, now, epoch, due, 0 }
