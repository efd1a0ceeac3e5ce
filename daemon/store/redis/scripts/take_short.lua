-- SPDX-License-Identifier: Apache-2.0
-- Stands before take.lua and does by itself what is asked most, of a run that no order and no line binds: it is taken
-- over with its first checkpoint, in a list that its owner adds to (added.lua), or parked until its time. change.lua says what
-- stands where in `change`. Answers: 0, or 1 (MOVED); or it does nothing, and take.lua answers.
do
    local call, P, id, change, checkpoint = redis.call, KEYS[1], ARGV[1], ARGV[2], ARGV[5]
    local kind, _, bits = change:byte(1, 3)
    local takes, parks = kind == 67 and bits == 0 and checkpoint ~= '', kind == 80 and bits % 4 == 0 and bits < 8 and checkpoint == ''
    if (takes or parks) and #checkpoint <= struct.unpack('<I4', change, 17) then
        local run = P .. 'run:' .. id
        -- The first write is one that a full Redis refuses: it allows all that follows a write.
        if call('SET', run, ARGV[10] .. ARGV[3] .. ARGV[6], 'NX') then
            if call('ZADD', P .. 'taken:' .. ARGV[8], 'NX', change:sub(111, 129), id) == 0 then
                call('UNLINK', run) -- taken over and ended while this copy of the message was worked on
                return 1
            end
            if ARGV[11] then call('ZADD', P .. 'taken:' .. ARGV[8], 'NX', change:sub(111, 129), ARGV[11]) end
            call('ZADD', P .. 'newest', change:sub(95, 110), id)
            if parks then
                call('ZADD', P .. (change:byte(4) == 119 and 'waiting' or 'delayed'), change:sub(79, 94), id)
                return 0
            end
            call('RPUSH', P .. 'added:' .. id .. ':' .. string.format('%.0f', struct.unpack('<I4', change, 9)), checkpoint)
            call('SADD', P .. 'held:' .. ARGV[4], id)
            call('ZADD', P .. 'holders', 'NX', change:sub(130, 142), ARGV[4])
            return 0
        end
    end
end
