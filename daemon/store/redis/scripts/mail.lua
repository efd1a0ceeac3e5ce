-- SPDX-License-Identifier: Apache-2.0
-- What comes for a run that waits while a worker holds it: its checkpoints are the worker's alone, so each stands in `mail:<id>`, under
-- the run that was called or the number of the wait (await.lua), until the run is parked to wait, or its worker asks for
-- it (calling_end.lua). The worker hears of it with its next heartbeat: flag MAIL, `mailed:<worker>`.
local function mailed_of(h)
    return P .. 'mailed:' .. h.owner:gsub('.', function(c) return string.format('%02x', c:byte()) end)
end

local function keep_mail(id, h, name, checkpoint)
    call('HSET', P .. 'mail:' .. id, name, checkpoint)
    if not has(h.flags, MAIL) then h.flags = h.flags + MAIL end
    call('SADD', mailed_of(h), id)
end

local function append_checkpoint(id, h, checkpoint)
    call('ZADD', P .. 'steps:' .. id, h.checkpoints, checkpoint)
    h.checkpoints, h.state = h.checkpoints + 1, h.state + #checkpoint
end

-- What `calls:<id>` has of a run that it called: '0' while that has not answered; 'm' and when its answer came into the mail; each with
-- what such an answer is made of, msgpack: head, middle (called.lua); or when it was answered or given up.
local function is_in_mail(id, callee)
    return call('HEXISTS', P .. 'mail:' .. id, callee) == 1
end

-- Whether the caller is still to hear of it, as far as `calls` says.
local function is_open(id, callee, state)
    local kind = state:sub(1, 1)
    return kind == '0' or kind == 'm' and not is_in_mail(id, callee)
end

-- The caller saves the header.
local function open_mail(id, h)
    if not has(h.flags, MAIL) then return end
    local mail = call('HGETALL', P .. 'mail:' .. id)
    for i = 1, #mail, 2 do
        append_checkpoint(id, h, mail[i + 1])
        if #mail[i] == 32 then call('HSET', P .. 'calls:' .. id, mail[i], now_text) end
    end
    call('UNLINK', P .. 'mail:' .. id)
    call('SREM', mailed_of(h), id)
    h.flags = without(h.flags, MAIL)
end
