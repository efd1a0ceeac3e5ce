-- SPDX-License-Identifier: Apache-2.0
-- Stands behind take.lua and advance.lua; see calling.lua.
end)()

if reply[1] ~= OK then return reply end
local id, kind = ARGV[1], ARGV[2]:sub(1, 1)
local calls = P .. 'calls:' .. id

-- The wait whose begin stands at that position, with others of the run or alone.
local function forget_wait_at(position)
    for _, member in ipairs({ id .. ':' .. position + WAITS_FROM, id }) do
        local a = await_of(member)
        if a and a.position == position then forget_wait(member, a) end
    end
end

-- Its worker asks what has come. Waits whose time is over end with nothing, unless something has come for them. What it does not know
-- already is what this very call made of it before.
local function answer_look(h)
    local is_again = h.checkpoints > look.known
    for _, wait in ipairs(is_again and {} or look.waits) do
        local position, ends, head = wait[1], wait[2], wait[3]
        local has_come = call('HEXISTS', P .. 'mail:' .. id, position + WAITS_FROM) == 1
        if ends <= now and not has_come then append_checkpoint(id, h, head .. cmsgpack.pack(now) .. '\192') end
        if ends <= now then forget_wait_at(position) end
    end
    open_mail(id, h)
    for _, made in ipairs(look.calls) do call('HSETNX', calls, made[1], made[2] == '' and now_text or '0' .. made[2]) end
    save(id, h)
    return call('ZRANGEBYSCORE', P .. 'steps:' .. id, look.known, '+inf')
end

-- Redis has lost `calls`, in which each run that it has called stands until it ends: its worker tells them.
local function lacks_calls()
    return #call('HVALS', calls) - call('HEXISTS', calls, '?') < look.called and 1 or 0
end

-- It asks for what was answered: its checkpoints are lost, or its mail. A change that is sent again does not: by then its answer is a
-- checkpoint, and it is no longer parked to wait; or there is mail.
local function has_lost_answer()
    if call('HGET', calls, callee):sub(1, 1) == '0' or is_in_mail(id, callee) then return false end
    if kind == 'C' then return true end
    local h = load(id)
    return h and h.status == RUN_WAITING
end

if callee ~= '' and (call('HSETNX', calls, callee, '0' .. around) == 1 or has_lost_answer()) then
    call('HSET', calls, callee, '0' .. around)
    post('S' .. callee, letter)
end
if dropped ~= '' then
    call('HSET', calls, dropped, now_text)
    call('HDEL', P .. 'mail:' .. id, dropped)
end
if ENDED_BY[kind] then
    for _, wait in ipairs(look and look.waits or {}) do forget_wait_at(wait[1]) end
    return reply
end
local h = (kind == 'P' or look) and load(id)
if h and kind == 'P' and h.status == RUN_WAITING and has(h.flags, MAIL) then
    open_mail(id, h)
    h.status, h.changed = RUN_DELAYED, now
    save(id, h)
    call('ZREM', P .. 'waiting', id)
    call('ZADD', delayed_of(h), now, id)
    reply[5] = now
elseif h and look then
    reply[6], reply[7], reply[8] = 0, answer_look(h), lacks_calls()
end
return reply
