-- SPDX-License-Identifier: Apache-2.0
-- What match_short.lua does for one event, for many that were read in the same breath (group.h). ARGV[1] is nobody's; then of each event: name, later
-- side, value, topic, partition, offset, stamp, outcome. Answers a letter each: '0' nobody waits for it, '1' it has ended one wait, '-' nothing was done, and
-- match.lua answers.
local time = call('TIME')
local now_text = time[1] .. ('00000' .. time[2]):sub(-6, -4)
local now = tonumber(now_text)
local lists, ended, not_waiting, gone = {}, {}, {}, {}

local function match(name, later, value, topic, partition, offset, _, outcome)
    local key = name .. '\0' .. later .. '\0' .. value
    local index = P .. 'wait:' .. key
    local waiting = redis.pcall('ZRANGE', index, '0', '1')
    if waiting.err then return '-' end
    local id = waiting[1]
    if not id then return '0' end
    if waiting[2] or #id ~= 32 or ended[id] then return '-' end
    local raw, h = redis.pcall('GET', P .. 'await:' .. id), redis.pcall('GETRANGE', P .. 'run:' .. id, '0', '63')
    if type(raw) ~= 'string' or type(h) ~= 'string' or h:sub(1, 2) ~= '\1' .. RUN_WAITING or h:byte(4) ~= 0 then return '-' end
    local a = cmsgpack.unpack(raw)
    local places = a.boundary and a.boundary[topic]
    if a.key ~= key or a.kind or a.when ~= '' or a.ends <= now then return '-' end
    if a.since or tonumber(offset) < (places and places[partition + 1] or 0) then return '-' end
    local checkpoint = a.head .. cmsgpack.pack(now) .. outcome
    local position, _, _, _, _, state = struct.unpack('<I4i8i8I4I4I4', h, 13)
    local written = redis.pcall('ZADD', P .. 'steps:' .. id, string.format('%d', position), checkpoint)
    if type(written) == 'table' then return '-' end
    call('SETRANGE', P .. 'run:' .. id, '0', '\1' .. RUN_DELAYED .. h:sub(3, 4) .. '\0\0' .. h:sub(7, 12) .. struct.pack('<I4', position + 1) ..
        h:sub(17, 24) .. struct.pack('<i8', now) .. h:sub(33, 40) .. struct.pack('<I4', state + #checkpoint) .. h:sub(45))
    add(lists, 'delayed', now_text, id)
    not_waiting[#not_waiting + 1] = id
    gone[#gone + 1] = index
    gone[#gone + 1] = P .. 'await:' .. id
    ended[id] = true
    return '1'
end

for i = 2, #ARGV, 8 do answers[#answers + 1] = match(unpack(ARGV, i, i + 7)) end
if #gone > 0 then
    write(lists)
    call('ZREM', P .. 'waiting', unpack(not_waiting))
    call('UNLINK', unpack(gone))
end
return table.concat(answers)
