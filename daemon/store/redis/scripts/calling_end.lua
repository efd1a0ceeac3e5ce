-- SPDX-License-Identifier: Apache-2.0
-- Stands behind take.lua and advance.lua; see calling.lua.
end)()

local function open_mail(id, h)
    local steps = P .. 'steps:' .. id
    for _, checkpoint in ipairs(call('HVALS', P .. 'mail:' .. id)) do
        call('ZADD', steps, h.checkpoints, checkpoint)
        h.checkpoints, h.state = h.checkpoints + 1, h.state + #checkpoint
    end
    call('UNLINK', P .. 'mail:' .. id)
    h.status, h.changed, h.flags = RUN_DELAYED, now, without(h.flags, MAIL)
    save(id, h)
    call('ZREM', P .. 'waiting', id)
    call('ZADD', delayed_of(h), now, id)
end

if reply[1] ~= OK then return reply end
local calls = P .. 'calls:' .. ARGV[1]
if callee ~= '' and call('HSETNX', calls, callee, '0') == 1 then
    post('S' .. callee, letter)
end
if dropped ~= '' then
    call('HSET', calls, dropped, now_text)
    call('HDEL', P .. 'mail:' .. ARGV[1], dropped)
end
local waiting = ARGV[2]:sub(1, 1) == 'P' and load(ARGV[1])
if waiting and waiting.status == RUN_WAITING and has(waiting.flags, MAIL) then
    open_mail(ARGV[1], waiting)
    reply[5] = now
end
return reply
