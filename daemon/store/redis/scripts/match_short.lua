-- SPDX-License-Identifier: Apache-2.0
-- Stands before match.lua and does by itself what is asked most: one run alone waits for that, by its index alone, and nothing limits
-- it. waits.lua says what stands in `a`, record.h what in `h`. Answers as match.lua; or it does nothing, and match.lua answers.
do
    local call, P, key = redis.call, KEYS[1], ARGV[1] .. '\0' .. ARGV[2] .. '\0' .. ARGV[3]
    local index = P .. 'wait:' .. key
    local waiting = ARGV[9] == '' and ARGV[10] == '' and call('ZRANGE', index, '0', '1') or {}
    local id = #waiting == 1 and #waiting[1] == 32 and waiting[1]
    local raw, h = id and redis.pcall('GET', P .. 'await:' .. id), id and redis.pcall('GETRANGE', P .. 'run:' .. id, '0', '63')
    if type(raw) == 'string' and type(h) == 'string' and h:sub(1, 2) == '\1' .. RUN_WAITING and h:byte(4) == 0 then
        local a, time = cmsgpack.unpack(raw), call('TIME')
        local now_text = time[1] .. ('00000' .. time[2]):sub(-6, -4)
        local now, places = tonumber(now_text), a.boundary and a.boundary[ARGV[4]]
        local first = places and places[ARGV[5] + 1] or 0
        if a.key == key and not a.kind and a.when == '' and a.ends > now and tonumber(ARGV[6]) >= first and not a.since then
            local checkpoint = a.head .. cmsgpack.pack(now) .. ARGV[8]
            local position, _, _, _, _, state = struct.unpack('<I4i8i8I4I4I4', h, 13)
            call('ZADD', P .. 'steps:' .. id, string.format('%d', position), checkpoint)
            call('ZREM', P .. 'waiting', id)
            call('ZADD', P .. 'delayed', now_text, id)
            call('SETRANGE', P .. 'run:' .. id, '0', '\1' .. RUN_DELAYED .. h:sub(3, 4) .. '\0\0' .. h:sub(7, 12) ..
                struct.pack('<I4', position + 1) .. h:sub(17, 24) .. struct.pack('<i8', now) .. h:sub(33, 40) ..
                struct.pack('<I4', state + #checkpoint) .. h:sub(45))
            call('ZREM', index, id)
            call('UNLINK', P .. 'await:' .. id)
            return { 1, now, 0, {}, '', now, 0, 0 }
        end
    end
end
