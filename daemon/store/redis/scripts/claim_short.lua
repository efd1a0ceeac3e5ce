-- SPDX-License-Identifier: Apache-2.0
-- Stands before claim.lua and does by itself what is asked most: a first claim, out of no function's line, of runs that are due, have no
-- limits, have all their checkpoints, and are of one event each. Answers as claim.lua does; or it has written nothing, and claim.lua answers.
do
    local call, P, owner, worker, serial, BYTES = redis.call, KEYS[1], ARGV[1], ARGV[2], ARGV[3], 8 * 1024 * 1024
    local claim = P .. 'claim:' .. worker
    local time = call('TIME')
    local now_text = time[1] .. ('00000' .. time[2]):sub(-6, -4)

    -- The runs, each as it is answered; nil: some are for claim.lua.
    local function plain(ids)
        local runs, bytes, none, now_packed = {}, 0, {}, struct.pack('<i8', tonumber(now_text))
        for i, id in ipairs(ids) do
            local raw = redis.pcall('GET', P .. 'run:' .. id)
            if type(raw) ~= 'string' or #raw < 64 then return nil end
            local version, status, _, flags = raw:byte(1, 4)
            local count = struct.unpack('<I4', raw, 13)
            bytes = bytes + #raw + struct.unpack('<I4', raw, 41)
            if version ~= 1 or (status ~= 100 and status ~= 115) or flags >= 4 or bytes > BYTES then return nil end
            local checkpoints = count > 0 and redis.pcall('ZRANGE', P .. 'steps:' .. id, '0', '-1') or none
            if #checkpoints ~= count then return nil end -- nor has an error any
            runs[i] = { id, '\1o' .. raw:sub(3, 8) .. struct.pack('<I4', (struct.unpack('<I4', raw, 9)) + 1) .. raw:sub(13, 24) ..
                now_packed .. raw:sub(33, 48) .. owner, raw, checkpoints, 0, 0 }
        end
        return runs
    end

    if #ARGV == 4 and call('EXISTS', P .. 'stats:' .. worker) == 1 and
        (call('GET', claim) or ''):sub(1, #serial + 1) ~= serial .. ' ' and call('EXISTS', P .. 'delayed-3') == 0 then
        local ids = call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now_text, 'LIMIT', '0', ARGV[4])
        local runs, listed = #ids > 0 and plain(ids), {}
        if runs then
            for i, run in ipairs(runs) do
                -- The first write is one that a full Redis refuses: it allows all that follows a write.
                call('SETRANGE', P .. 'run:' .. run[1], '0', run[2])
                listed[2 * i - 1], listed[2 * i] = now_text, run[1]
            end
            call('ZADD', P .. 'owned:' .. worker, unpack(listed))
            call('ZREM', P .. 'delayed', unpack(ids))
            call('SET', claim, serial .. ' ' .. table.concat(ids, ' '))
            local first = call('ZRANGE', P .. 'delayed', '0', '0', 'WITHSCORES')
            return { 0, tonumber(now_text), tonumber(first[2] or -1), runs, {}, {} }
        end
    end
end
