-- SPDX-License-Identifier: Apache-2.0
-- Runs that wait for events. What a run waits for stands in `await:<id>`, msgpack: key, of its index, after P .. 'wait:'; position
-- of its checkpoint; head, of the outcome's; when, or ''; row; boundary, topic -> offsets by partition; until; since, where
-- it may be given what came before the call. The index is a set of ids. docs/inside/waits.md says why each write is there.
local FOREVER, LATE_MS = 253402300799999, 60000 -- so long after its time what comes too late is noticed

local function key_of_wait(event, later, value)
    return event .. '\0' .. later .. '\0' .. value
end

local function await_of(id)
    local raw = read('GET', P .. 'await:' .. id)
    return raw and cmsgpack.unpack(raw) or nil
end

local function forget_wait(id, a)
    call('ZREM', P .. 'wait:' .. a.key, id)
    call('UNLINK', P .. 'await:' .. id)
end

-- It goes by itself once nobody could be late any more.
local function keep_until(key, is_new, ends)
    if ends >= FOREVER then
        if not is_new then call('PERSIST', key) end
    elseif is_new then
        call('PEXPIREAT', key, ends + LATE_MS)
    else
        call('PEXPIREAT', key, ends + LATE_MS, 'GT')
    end
end
