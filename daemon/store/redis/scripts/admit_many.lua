-- SPDX-License-Identifier: Apache-2.0
-- What admit.lua does where an event's run is to wait in line, and neither dedupe, rate limit, debounce, singleton, order nor time has to do with it, for
-- many that one worker asks for in the same breath (group.h): what their lists gain is one command for each. ARGV[1] owner; then of each
-- run: id, entry, body, place, function NUL line, flow (flow.lua). `entry` is the record's header up to its owner; and in digits the offset, when
-- the run was made, when its event arrived, and its score. Answers a letter each: '0' it is in line, '-' nothing was done, and admit.lua answers.
local LATE_US = 600 * 1000000
local time = call('TIME')
local now_text = time[1] .. ('00000' .. time[2]):sub(-6, -4)
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local lists, firsts, functions = {}, {}, {}

local function enter_line(id, name, score)
    local fn, line = name:match('^(%Z*)%z(.*)$')
    add(lists, 'line:' .. name, score, id)
    add(lists, 'queue:' .. fn, score, id)
    add(firsts, 'heads:' .. fn, now_text, line)
    functions[fn] = true
end

for i = 2, #ARGV, 6 do
    local id, entry, place = ARGV[i], ARGV[i + 1], ARGV[i + 3]
    local arrived, answer = tonumber(entry:sub(84, 100)), '-'
    -- The first write is one that a full Redis refuses: it allows all that follows a write.
    if arrived <= now_us and arrived >= now_us - LATE_US and not call('ZSCORE', P .. 'taken:' .. place, id) and
        call('SET', P .. 'run:' .. id, entry:sub(1, 48) .. owner .. ARGV[i + 2], 'NX') then
        call('SET', P .. 'flow:' .. id, ARGV[i + 5])
        add(firsts, 'taken:' .. place, entry:sub(49, 67), id)
        add(lists, 'newest', entry:sub(68, 83), id)
        enter_line(id, ARGV[i + 4], entry:sub(101, 117))
        answer = '0'
    end
    answers[#answers + 1] = answer
end
for name, members in pairs(firsts) do call('ZADD', P .. name, 'NX', unpack(members)) end
write(lists)
for fn in pairs(functions) do call('SADD', P .. 'lines', fn) end
return table.concat(answers)
