-- SPDX-License-Identifier: Apache-2.0
-- Stands before advance.lua and does by itself what is asked most: the next checkpoint of a run that its
-- owner holds. Epoch and number of checkpoints stand in `change` as they do in the header. Answers: 0.
do
    local call, change, checkpoint = redis.call, ARGV[2], ARGV[5]
    if change:byte(1) == 67 and checkpoint ~= '' then
        local run = KEYS[1] .. 'run:' .. ARGV[1]
        local h = call('GETRANGE', run, '0', '63')
        if h:sub(9, 16) == change:sub(9, 16) and h:sub(49) == ARGV[3] and h:sub(1, 2) == '\1o' and h:byte(4) % 4 < 2 then
            local position, limit = struct.unpack('<I4I4', change, 13)
            local state = struct.unpack('<I4', h, 41) + #checkpoint
            if state <= limit then
                call('ZADD', KEYS[1] .. 'steps:' .. ARGV[1], change:sub(66), checkpoint)
                call('SETRANGE', run, '0', h:sub(1, 2) .. change:sub(2, 2) .. h:sub(4, 4) .. change:sub(5, 6) .. h:sub(7, 12) ..
                    struct.pack('<I4', position + 1) .. h:sub(17, 40) .. struct.pack('<I4H', state, 0))
                return 0
            end
        end
    end
end
