-- SPDX-License-Identifier: Apache-2.0
-- A run that was called (flag INVOKED) tells its caller how it ended. `called:<id>`, msgpack: caller, '' where it is no run;
-- head and middle, what stands before and behind the kind in the checkpoint that becomes of the answer; at, when it was told so; answer,
-- once there is one: that checkpoint. It is kept for an hour: who calls once more in this time gets the answer again.
local ANSWER_MS = 3600000
local COMPLETED, FAILED = '\0', '\1'
local told_value -- by the run's last change, where that tells how it ended

local function post_answer(id, c)
    if c.caller ~= '' then post('A' .. id, c.caller .. struct.pack('<I2', #c.head) .. c.answer) end
end

local function keep_answer(id, c, kind, value)
    c.answer = c.head .. kind .. c.middle .. cmsgpack.pack(now) .. value
    call('SET', P .. 'called:' .. id, cmsgpack.pack(c), 'PX', ANSWER_MS)
    post_answer(id, c)
end

local function keep_error(id, c, name, message)
    keep_answer(id, c, FAILED, cmsgpack.pack({ name, message, 0 }))
end

-- Redis has lost keys of the call, and with them what the run came to.
local function keep_loss(id, c)
    keep_error(id, c, 'InvokeLost', 'what became of run ' .. id .. ' is lost: keys of stepd in Redis were lost')
end

local function fail_caller(id, flags, name, message)
    local raw = has(flags, INVOKED) and call('GET', P .. 'called:' .. id)
    if raw then keep_error(id, cmsgpack.unpack(raw), name, message) end
end

-- `value`: its result or its error; nil: nobody knows it.
local function tell_caller(id, h, status, value)
    local raw = has(h.flags, INVOKED) and call('GET', P .. 'called:' .. id)
    if not raw then return end
    if status == RUN_CANCELLED then
        fail_caller(id, h.flags, 'InvokeCancelled', 'run ' .. id .. ' was cancelled')
    elseif value then
        keep_answer(id, cmsgpack.unpack(raw), status == RUN_COMPLETED and COMPLETED or FAILED, value)
    else
        fail_caller(id, h.flags, 'InvokeLost', 'run ' .. id .. ' could be brought no further; the log says why')
    end
end
