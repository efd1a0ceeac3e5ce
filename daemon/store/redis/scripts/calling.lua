-- SPDX-License-Identifier: Apache-2.0
-- Stands before take.lua and advance.lua, and calling_end.lua behind, where a run calls others, was called, or waits beside other steps. The last
-- arguments: the run that is called by this change, the letter to its shard, and what its answer is to be made of (mail.lua); a call that
-- nobody waits for any more; what is told to the caller of this run, should it end by this; '', or msgpack: `waits` that its worker
-- knows to be open (each [position, until when, head of its outcome]), `known`, its checkpoints, `called`, how many runs it has called, and `calls`,
-- where the store has lost some of those: all (each [run, what its answer is to be made of, '' where it is not waited for]). `calls:<id>` holds
-- what it called.
-- What came while a worker held the run is opened when it is parked to wait (mail.lua).
local ENDED_BY = { F = true, B = true }
local look = table.remove(ARGV)
look = look ~= '' and cmsgpack.unpack(look)
local told = table.remove(ARGV)
local dropped = table.remove(ARGV)
local around = table.remove(ARGV)
local letter = table.remove(ARGV)
local callee = table.remove(ARGV)

local conclude_alone = conclude
if told ~= '' then told_value = told end
local function conclude(id, h, ...)
    if has(h.flags, MAIL) then call('SREM', mailed_of(h), id) end
    h.flags = without(h.flags, MAIL)
    call('UNLINK', P .. 'mail:' .. id)
    call('PEXPIRE', P .. 'calls:' .. id, ANSWER_MS)
    return conclude_alone(id, h, ...)
end

local reply = (function()
