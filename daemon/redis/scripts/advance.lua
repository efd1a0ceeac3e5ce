-- SPDX-License-Identifier: Apache-2.0
-- One change of one run: 'C' checkpoint, 'P' park, 'H' phase, 'F' finish, 'B' bury. With epoch 0 the
-- store does not know the run yet, and it is created by it.
-- Answers: how, now, epoch, due, when something became due by it (0: nothing did).
local id, kind, epoch, owner, worker = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local status, phase, attempt = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local delay, due, position = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local checkpoint, clears = ARGV[12], ARGV[13] == '1'
local has_tail, tail = ARGV[14] == '1', ARGV[15]
local kept = { history = ARGV[16], age = tonumber(ARGV[17]), count = tonumber(ARGV[18]) }
local state_limit, lease = tonumber(ARGV[19]), tonumber(ARGV[20])
local o = { fn = ARGV[21], place = ARGV[22], offset = ARGV[23], key = ARGV[24] }
local ordered, created, body = ARGV[25] == '1', tonumber(ARGV[26]), ARGV[27]

local run, steps, owned = P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'owned:' .. worker
local ENDS = { F = 'c', B = 'f' }

-- What is no longer owned by us may be what this very call, sent before, made of it.
local function answer_again(h)
    if kind == 'P' and (h.status == 'd' or h.status == 's' or h.status == 'b') then
        return { OK, now, h.epoch, h.changed, 0 }
    end
    if h.status == 'x' then return { CANCELLED, now, h.epoch, 0, 0 } end
    return { h.status == ENDS[kind] and OK or MOVED, now, h.epoch, 0, 0 }
end

-- A take that finds the run: the same call sent before, or another copy of its message.
local function answer_taken(h)
    if h.epoch ~= 1 or h.owner ~= owner then return { MOVED, now, h.epoch, 0, 0 } end
    if h.status ~= 'o' then return answer_again(h) end
    local is_same = false
    if kind == 'C' then
        is_same = checkpoint == '' or tonumber(call('ZSCORE', steps, checkpoint) or -1) == position
    elseif kind == 'H' then
        is_same = h.phase == phase and call('GETRANGE', run, HEADER_SIZE + h.body, HEADER_SIZE + h.body + h.tail - 1) == tail
    end
    return { is_same and OK or MOVED, now, h.epoch, 0, 0 }
end

local h = load(id)
local is_new = epoch == 0
if is_new then
    if h then return answer_taken(h) end
    -- Taken over and ended while this copy of the message was worked on.
    if call('ZSCORE', P .. 'taken:' .. o.place, id) then return { MOVED, now, 0, 0, 0 } end
    if kind == 'F' and kept.history ~= 'a' then return { OK, now, 0, 0, 0 } end
    h = { status = 'o', phase = phase, flags = ordered and ORDERED or 0, attempt = attempt, takeovers = 0, epoch = 1,
          checkpoints = 0, created = created, changed = now, body = #body, tail = #tail, state = 0, unclean = 0, owner = owner }
else
    -- Lost, or finished by this call before: then all is said and done.
    if not h then return { kind == 'F' and OK or GONE, now, 0, 0, 0 } end
    if h.epoch ~= epoch or h.owner ~= owner then return { MOVED, now, h.epoch, 0, 0 } end
    if h.status ~= 'o' then return answer_again(h) end
    if has(h.flags, CANCEL) then
        call('ZREM', owned, id)
        call('SREM', P .. 'asked:' .. worker, id)
        conclude(id, h, 'x', kept)
        return { CANCELLED, now, h.epoch, 0, ordered and release_next(id, o) or 0 }
    end
end

if checkpoint ~= '' or clears then
    local freed = 0
    if h.checkpoints > position then
        for _, old in ipairs(call('ZRANGEBYSCORE', steps, position, '+inf')) do freed = freed + #old end
    end
    if h.state - freed + #checkpoint > state_limit then return { LIMIT, now, is_new and 0 or h.epoch, 0, 0 } end
    if h.checkpoints > position then call('ZREMRANGEBYSCORE', steps, position, '+inf') end
    if is_new then call('DEL', steps) end
    if checkpoint ~= '' then call('ZADD', steps, position, checkpoint) end
    h.state = h.state - freed + #checkpoint
    h.checkpoints = position + (checkpoint ~= '' and 1 or 0)
end

h.phase, h.attempt, h.unclean = phase, attempt, 0
if is_new then
    call('SET', run, packed(h) .. body .. tail)
    if kind ~= 'F' then call('ZADD', P .. 'taken:' .. o.place, o.offset, id) end
elseif has_tail then
    call('SETRANGE', run, HEADER_SIZE + h.body, tail)
    h.tail = #tail
end

if ENDS[kind] then
    if not is_new then call('ZREM', owned, id) end
    conclude(id, h, ENDS[kind], kept)
    return { OK, now, h.epoch, 0, ordered and release_next(id, o) or 0 }
end

local is_head = not ordered or become_head(id, o)
if kind ~= 'P' then
    if is_new then
        call('ZADD', owned, now, id)
        call('ZADD', P .. 'workers', 'NX', now + lease, worker)
    end
    save(id, h)
    return { OK, now, h.epoch, 0, 0 }
end

if due == 0 then due = now + delay end
h.changed = due
if not is_new then call('ZREM', owned, id) end
if is_head then
    h.status = status
    call('ZADD', P .. 'delayed', due, id)
else
    h.status = 'b'
    call('ZADD', behind_key(o), o.offset, id)
end
save(id, h)
return { OK, now, h.epoch, due, is_head and due or 0 }
