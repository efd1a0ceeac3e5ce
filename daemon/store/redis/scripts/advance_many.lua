-- SPDX-License-Identifier: Apache-2.0
-- What advance_short.lua does for one run, for many that their owner parks, or ends well, in the same breath (group.h): what
-- their lists gain and lose is one command for each. A run whose owner adds checkpoints to a list (added.lua) only ends here. ARGV[1] owner, ARGV[2] worker; then of each
-- run: id, change, tail. Answers a letter each: '0' done, '-' nothing was done, and advance.lua answers.
local worker = ARGV[2]
local lists, not_owned, not_held, gone, not_new = {}, {}, {}, {}, {}

local function advance(id, change, tail)
    local kind, _, bits = change:byte(1, 3)
    local run = P .. 'run:' .. id
    local h = call('GETRANGE', run, '0', '63')
    local version, status, _, flags = h:byte(1, 4)
    if h:sub(9, 12) ~= change:sub(9, 12) or h:sub(49) ~= owner or status ~= 111 or flags ~= 0 then return '-' end
    if version ~= 1 and not (version == 2 and kind == 70) then return '-' end
    local is_parked, has_tail = kind == 80, bits == 4
    if is_parked or change:byte(65) ~= 110 then
        call('SETRANGE', run, '0', h:sub(1, 1) .. (is_parked and change:sub(4, 4) or RUN_COMPLETED) .. change:sub(2, 2) .. '\0' ..
            change:sub(5, 6) .. h:sub(7, 24) .. (is_parked and change:sub(33, 40) or change:sub(25, 32)) .. h:sub(33, 36) ..
            (has_tail and struct.pack('<I4', #tail) or h:sub(37, 40)) .. h:sub(41, 44) .. '\0\0')
        if has_tail then call('SETRANGE', run, 64 + struct.unpack('<I4', h, 33), tail) end
        if is_parked then
            add(lists, change:byte(4) == 119 and 'waiting' or 'delayed', change:sub(79, 94), id)
        else
            add(lists, 'history', change:sub(66, 78), id)
        end
    else
        gone[#gone + 1] = run
        gone[#gone + 1] = P .. 'steps:' .. id
        gone[#gone + 1] = P .. 'added:' .. id .. ':' .. string.format('%.0f', struct.unpack('<I4', h, 9))
        not_new[#not_new + 1] = id
    end
    local left = version == 1 and not_owned or not_held
    left[#left + 1] = id
    return '0'
end

for i = 3, #ARGV, 3 do answers[#answers + 1] = advance(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
if #gone > 0 then
    call('UNLINK', unpack(gone))
    call('ZREM', P .. 'newest', unpack(not_new))
end
write(lists)
if #not_owned > 0 then call('ZREM', P .. 'owned:' .. worker, unpack(not_owned)) end
if #not_held > 0 then call('SREM', P .. 'held:' .. worker, unpack(not_held)) end
return table.concat(answers)
