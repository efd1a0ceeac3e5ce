-- SPDX-License-Identifier: Apache-2.0
-- Stands before advance.lua and does by itself what is asked most, of a run that its owner holds and nobody has
-- cancelled: its next checkpoint; and of one that no order and no limits bind: that it is parked until its time (with its
-- owner's list folded as added.lua does it), or has ended well. change.lua says what stands where in `change`, record.h what in `h`. Answers: 0; or it does nothing, and
-- advance.lua answers.
do
    local call, P, id, change, checkpoint = redis.call, KEYS[1], ARGV[1], ARGV[2], ARGV[5]
    local kind, _, bits = change:byte(1, 3)
    local run = P .. 'run:' .. id
    local h = call('GETRANGE', run, '0', '63')
    local version, status, _, flags = h:byte(1, 4)
    if h:sub(9, 12) == change:sub(9, 12) and h:sub(49) == ARGV[3] and status == 111 and version <= 2 then
        if kind == 67 and version == 1 and bits < 2 and checkpoint ~= '' and h:sub(13, 16) == change:sub(13, 16) and flags % 4 < 2 then
            local position, limit = struct.unpack('<I4I4', change, 13)
            local state = struct.unpack('<I4', h, 41) + #checkpoint
            if state <= limit then
                call('ZADD', P .. 'steps:' .. id, change:sub(143), checkpoint)
                call('SETRANGE', run, '0', h:sub(1, 2) .. change:sub(2, 2) .. h:sub(4, 4) .. change:sub(5, 6) .. h:sub(7, 12) ..
                    struct.pack('<I4', position + 1) .. h:sub(17, 40) .. struct.pack('<I4H', state, 0))
                return 0
            end
        elseif flags == 0 and kind == 80 and version == 2 and bits % 4 == 0 and bits < 8 and checkpoint == '' then
            local list, steps = P .. 'added:' .. id .. ':' .. string.format('%.0f', struct.unpack('<I4', h, 9)), P .. 'steps:' .. id
            local all = call('LRANGE', list, '0', '-1')
            local settled, state, members = struct.unpack('<H', h, 47), struct.unpack('<I4', h, 41), {}
            local counted = struct.unpack('<I4', h, 13) - settled
            if #all >= counted and #all <= 1000 then
                for i, added in ipairs(all) do
                    members[2 * i - 1], members[2 * i] = settled + i - 1, added
                    if i > counted then state = state + #added end
                end
                if settled == 0 then call('UNLINK', steps) end -- those of a record that was lost
                call('ZADD', steps, unpack(members))
                local tail = bits == 4 and ARGV[6]
                call('SETRANGE', run, '0', '\1' .. change:sub(4, 4) .. change:sub(2, 2) .. '\0' .. change:sub(5, 6) .. h:sub(7, 12) ..
                    struct.pack('<I4', settled + #all) .. h:sub(17, 24) .. change:sub(33, 40) .. h:sub(33, 36) ..
                    (tail and struct.pack('<I4', #tail) or h:sub(37, 40)) .. struct.pack('<I4I4', state, 0))
                call('UNLINK', list) -- not before the header says so: Redis may refuse a command of these
                if tail then call('SETRANGE', run, 64 + struct.unpack('<I4', h, 33), tail) end
                call('ZADD', P .. (change:byte(4) == 119 and 'waiting' or 'delayed'), change:sub(79, 94), id)
                call('SREM', P .. 'held:' .. ARGV[4], id)
                return 0
            end
        elseif flags == 0 and bits % 4 == 0 and bits < 8 and checkpoint == '' and (kind == 70 or kind == 80 and version == 1) then
            local tail = bits == 4 and ARGV[6]
            local is_parked = kind == 80
            if is_parked or change:byte(65) ~= 110 then
                call('SETRANGE', run, '0', h:sub(1, 1) .. (is_parked and change:sub(4, 4) or RUN_COMPLETED) .. change:sub(2, 2) .. '\0' ..
                    change:sub(5, 6) .. h:sub(7, 24) .. (is_parked and change:sub(33, 40) or change:sub(25, 32)) .. h:sub(33, 36) ..
                    (tail and struct.pack('<I4', #tail) or h:sub(37, 40)) .. h:sub(41, 44) .. '\0\0')
                if tail then call('SETRANGE', run, 64 + struct.unpack('<I4', h, 33), tail) end
                if is_parked then
                    call('ZADD', P .. (change:byte(4) == 119 and 'waiting' or 'delayed'), change:sub(79, 94), id)
                else
                    call('ZADD', P .. 'history', change:sub(66, 78), id)
                end
            else
                call('UNLINK', run, P .. 'steps:' .. id, P .. 'added:' .. id .. ':' .. string.format('%.0f', struct.unpack('<I4', h, 9)))
                call('ZREM', P .. 'newest', id)
            end
            if version == 1 then
                call('ZREM', P .. 'owned:' .. ARGV[4], id)
            else
                call('SREM', P .. 'held:' .. ARGV[4], id)
            end
            return 0
        end
    end
end
