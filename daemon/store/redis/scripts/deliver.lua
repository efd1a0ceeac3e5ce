-- SPDX-License-Identifier: Apache-2.0
-- Letters from other shards, from ARGV[2] on, each its name and what it is: runs that are called begin, answers go to their
-- callers; calls are asked after (sweep.lua). Answers: 0; now; of each letter 1 where it was told `lag` ms ago or longer, else 0; functions
-- into whose lines runs went; when something else became due, 0: nothing did.
local HAS_ENDED = { c = true, f = true, x = true }
local lag, known, lines, woken = tonumber(ARGV[1]), {}, {}, 0

local function is_sure(at)
    return now - at >= lag and 1 or 0
end

-- The run waits in its function's line, where a daemon that has the function finds it.
local function start(id, l)
    local raw = call('GET', P .. 'called:' .. id)
    local c = raw and cmsgpack.unpack(raw)
    if c then
        if c.answer and c.caller ~= '' and call('HEXISTS', P .. 'letters', 'A' .. id) == 0 then
            c.at = now
            call('SET', P .. 'called:' .. id, cmsgpack.pack(c), 'PX', ANSWER_MS)
            post_answer(id, c)
        end
        return is_sure(c.at)
    end
    c = { caller = l.caller, head = l.head, middle = l.middle, at = now }
    call('SET', P .. 'called:' .. id, cmsgpack.pack(c))
    if not call('SET', P .. 'run:' .. id, struct.pack(HEADER, VERSION, RUN_DELAYED, 0, INVOKED + UNASKED, 0, 0, l.epoch, 0, now, now, #l.body,
        0, 0, 0, 0, ('\0'):rep(16)) .. l.body, 'NX') then
        local h = load(id)
        if h and HAS_ENDED[h.status] then keep_loss(id, c) end
        return 1
    end
    call('ZADD', P .. 'newest', now_text, id)
    call('SADD', P .. 'lines', l.fn)
    call('ZADD', P .. 'line:' .. l.fn, now_text, id)
    lines[#lines + 1] = l.fn
    return 0
end

-- Its caller still waits: it is answered once more, or hears that nothing will come. `around` is what such an answer is made of.
local function look_for(id, caller, around)
    if call('HEXISTS', P .. 'letters', 'A' .. id) == 1 then return end
    local raw = call('GET', P .. 'called:' .. id)
    local c = raw and cmsgpack.unpack(raw) or { caller = caller, head = around[1], middle = around[2], at = now }
    local h, newer = load(id)
    if c.answer then
        post_answer(id, c)
    elseif not newer and not (h and not HAS_ENDED[h.status]) then
        keep_loss(id, c)
    elseif not raw then
        call('SET', P .. 'called:' .. id, cmsgpack.pack(c))
    end
end

-- Nothing says whether the call is open (`calls` was lost): then its caller's checkpoints do. Of the step whose answer it is one stands
-- there that waits, and none that ends it. nil: they don't say either.
local function is_awaited(callee, id, checkpoint, head_size)
    local head, phase, is_there = checkpoint:sub(1, head_size), checkpoint:sub(head_size + 2, head_size + 2), nil
    for _, other in ipairs(read('ZRANGE', P .. 'steps:' .. id, 0, -1) or {}) do
        if other:sub(1, head_size) == head and other:sub(head_size + 2, head_size + 2) == phase then
            local kind = other:sub(head_size + 1, head_size + 1)
            if kind == COMPLETED or kind == FAILED then return false end
            is_there = is_there or other:find(callee, 1, true) ~= nil
        end
    end
    return is_there
end

-- While a worker holds the run its checkpoints are the worker's alone.
local function answer(callee, id, checkpoint, head_size)
    local calls, h = P .. 'calls:' .. id, load(id)
    local state = call('HGET', calls, callee)
    local is_alive = h and not HAS_ENDED[h.status]
    if not state then
        if not is_alive then return 1 end
        local is_wanted = is_awaited(callee, id, checkpoint, head_size)
        if not is_wanted then return is_wanted == nil and h.status == RUN_OWNED and 0 or 1 end
        state = '0'
    elseif not is_open(id, callee, state) then
        return is_sure(tonumber(state:match('%d+', 1)))
    end
    if not is_alive then
        call('HSET', calls, callee, now_text)
        return 0
    end
    drop_letter('S' .. callee)
    if h.status == RUN_OWNED then
        keep_mail(id, h, callee, checkpoint)
        call('HSET', calls, callee, 'm' .. now_text .. (state:match('^m%d+(.*)$') or state:sub(2)))
    else
        append_checkpoint(id, h, checkpoint)
        call('HDEL', P .. 'mail:' .. id, callee) -- that of a worker which has died
        call('HSET', calls, callee, now_text)
    end
    if h.status == RUN_WAITING then
        h.status, h.changed, woken = RUN_DELAYED, now, now
        call('ZREM', P .. 'waiting', id)
        call('ZADD', P .. 'delayed', now_text, id)
    end
    save(id, h)
    return 0
end

for i = 2, #ARGV, 2 do
    local name, to, what = ARGV[i], ARGV[i + 1]:sub(1, 32), ARGV[i + 1]:sub(33)
    local kind = name:sub(1, 1)
    if kind == 'S' then
        known[#known + 1] = start(to, cmsgpack.unpack(what))
    elseif kind == 'Q' then
        look_for(to, what:sub(1, 32), cmsgpack.unpack(what:sub(33)))
        known[#known + 1] = 1
    else
        known[#known + 1] = answer(name:sub(2), to, what:sub(3), (struct.unpack('<I2', what)))
    end
end
return { 0, now, known, lines, woken }
