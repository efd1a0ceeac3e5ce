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

-- The caller saves the header.
local function open_mail(id, h)
    if not has(h.flags, MAIL) then return end
    for _, checkpoint in ipairs(call('HVALS', P .. 'mail:' .. id)) do append_checkpoint(id, h, checkpoint) end
    call('UNLINK', P .. 'mail:' .. id)
    call('SREM', mailed_of(h), id)
    h.flags = without(h.flags, MAIL)
end
