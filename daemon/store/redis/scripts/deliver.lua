-- SPDX-License-Identifier: Apache-2.0
-- Letters from other shards, from ARGV[2] on, each its name and what it is: runs that are called begin, answers go to their
-- callers. Answers: 0; now; of each letter 1 where it was told `lag` ms ago or longer, else 0; functions into whose lines runs went; when something else became
-- due, 0: nothing did.
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
            post('A' .. id, c.caller .. c.answer)
        end
        return is_sure(c.at)
    end
    call('SET', P .. 'called:' .. id, cmsgpack.pack({ caller = l.caller, head = l.head, middle = l.middle, at = now }))
    if not call('SET', P .. 'run:' .. id, struct.pack(HEADER, VERSION, RUN_DELAYED, 0, INVOKED + UNASKED, 0, 0, l.epoch, 0, now, now, #l.body,
        0, 0, 0, 0, ('\0'):rep(16)) .. l.body, 'NX') then return 1 end
    call('ZADD', P .. 'newest', now_text, id)
    call('SADD', P .. 'lines', l.fn)
    call('ZADD', P .. 'line:' .. l.fn, now_text, id)
    lines[#lines + 1] = l.fn
    return 0
end

-- While a worker holds the run its checkpoints are the worker's alone.
local function answer(callee, id, checkpoint)
    local calls = P .. 'calls:' .. id
    local state = call('HGET', calls, callee)
    if state ~= '0' then return state and is_sure(tonumber(state)) or 1 end
    call('HSET', calls, callee, now_text)
    local h = load(id)
    if not h or HAS_ENDED[h.status] then return 0 end
    drop_letter('S' .. callee)
    if h.status == RUN_OWNED then
        keep_mail(id, h, callee, checkpoint)
    else
        append_checkpoint(id, h, checkpoint)
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
    if name:sub(1, 1) == 'S' then
        known[#known + 1] = start(to, cmsgpack.unpack(what))
    else
        known[#known + 1] = answer(name:sub(2), to, what)
    end
end
return { 0, now, known, lines, woken }
