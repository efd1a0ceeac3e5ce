-- SPDX-License-Identifier: Apache-2.0
-- Stands before each script. KEYS[1] is "PREFIX{shard}:"; keys.h says what the keys are, record.h
-- what the header of a run is. Scripts never look into a body, a tail or a checkpoint.
local P, call = KEYS[1], redis.call
local OK, MOVED, CANCELLED, GONE, LIMIT = 0, 1, 2, 3, 4
local HEADER_SIZE, HEADER = 64, '<Bc1BBHHI4I4i8i8I4I4I4HHc16'
local VERSION, ORDERED, CANCEL = 1, 1, 2

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- nil: there is none that this version can read.
local function load(id)
    local raw = call('GETRANGE', P .. 'run:' .. id, 0, HEADER_SIZE - 1)
    if #raw < HEADER_SIZE or raw:byte(1) ~= VERSION then return nil end
    local h, _ = {}
    _, h.status, h.phase, h.flags, h.attempt, h.takeovers, h.epoch, h.checkpoints, h.created, h.changed,
        h.body, h.tail, h.state, h.unclean, _, h.owner = struct.unpack(HEADER, raw)
    return h
end

local function packed(h)
    return struct.pack(HEADER, VERSION, h.status, h.phase, h.flags, h.attempt, h.takeovers, h.epoch,
        h.checkpoints, h.created, h.changed, h.body, h.tail, h.state, h.unclean, 0, h.owner)
end

local function save(id, h)
    call('SETRANGE', P .. 'run:' .. id, 0, packed(h))
end

local function has(flags, flag)
    return math.floor(flags / flag) % 2 == 1
end

local function hex(owner)
    return (owner:gsub('.', function(c) return string.format('%02x', c:byte()) end))
end

local function forget(id)
    call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id)
end

-- A few of the oldest: those past their age, else those past the number that is kept.
local function trim(list, age, count)
    local old = call('ZRANGEBYSCORE', list, '-inf', now - age, 'LIMIT', 0, 4)
    if #old == 0 then
        local excess = call('ZCARD', list) - count
        if excess > 0 then old = call('ZRANGE', list, 0, math.min(excess, 4) - 1) end
    end
    for _, id in ipairs(old) do
        call('ZREM', list, id)
        forget(id)
    end
end

-- o: what an ordered run waits in: function, place (topic:partition), offset, key.
local function behind_key(o)
    return P .. 'behind:' .. o.place .. ':' .. o.fn .. ':' .. o.key
end

-- The living run that is first of its key, or nil.
local function head_of(o)
    local head = call('HGET', P .. 'busy:' .. o.place, o.fn .. '\0' .. o.key)
    local h = head and load(head)
    if h and (h.status == 'd' or h.status == 's' or h.status == 'o') then return head end
    return nil
end

-- Whether the run is first of its key now; it becomes so where none is.
local function become_head(id, o)
    local head = head_of(o)
    if not head then call('HSET', P .. 'busy:' .. o.place, o.fn .. '\0' .. o.key, id) end
    return not head or head == id
end

-- The first of its key has ended: the next is due now. Returns when: now, or 0 where none waits.
local function release_next(id, o)
    local busy, field = P .. 'busy:' .. o.place, o.fn .. '\0' .. o.key
    if call('HGET', busy, field) ~= id then return 0 end
    for _ = 1, 100 do
        local follower = call('ZPOPMIN', behind_key(o))[1]
        if not follower then break end
        local h = load(follower)
        if h and h.status == 'b' then
            h.status, h.changed = 'd', now
            save(follower, h)
            call('ZADD', P .. 'delayed', now, follower)
            call('HSET', busy, field, follower)
            return now
        end
    end
    call('HDEL', busy, field)
    return 0
end

-- The run has ended as `status`. kept: history 'n' (none; failures stay), 'f' or 'a', age, count.
local function conclude(id, h, status, kept)
    h.status, h.changed, h.flags = status, now, h.flags % CANCEL
    if kept.history == 'n' and status ~= 'f' then
        forget(id)
        return
    end
    save(id, h)
    local list = P .. (status == 'f' and 'dead' or 'history')
    call('ZADD', list, now, id)
    trim(list, kept.age, kept.count)
end

-- Runs of a worker that is gone become due now, at most `budget`; the worker is forgotten with the
-- last of them. The epoch moves on, so that nothing the worker may still say counts.
local function hand_back(worker, budget, unclean)
    local owned = P .. 'owned:' .. worker
    local ids = call('ZRANGE', owned, 0, budget - 1)
    for _, id in ipairs(ids) do
        local h = load(id)
        if h and h.status == 'o' and hex(h.owner) == worker then
            h.status, h.changed, h.epoch = 'd', now, h.epoch + 1
            h.takeovers = math.min(h.takeovers + 1, 65535)
            h.unclean = math.min(h.unclean + unclean, 65535)
            save(id, h)
            call('ZADD', P .. 'delayed', now, id)
        end
        call('ZREM', owned, id)
    end
    if #ids < budget then
        local counts = call('HGETALL', P .. 'stats:' .. worker)
        for i = 1, #counts, 2 do
            call('HINCRBY', P .. 'stats', counts[i], counts[i + 1])
        end
        call('UNLINK', P .. 'stats:' .. worker, P .. 'asked:' .. worker, P .. 'claim:' .. worker)
        call('ZREM', P .. 'workers', worker)
    end
    return #ids
end
