-- SPDX-License-Identifier: Apache-2.0
-- What take_short.lua does for one run, for many that one worker parks in the same breath (group.h): their places in a list go
-- there in one command. ARGV[1] owner; then of each run: id, change, body and tail, place, header. Answers a letter each:
-- '0' done, '-' nothing was done, and take.lua answers.
local places, lists = {}, {}

for i = 2, #ARGV, 5 do
    local id, change, place = ARGV[i], ARGV[i + 1], ARGV[i + 3]
    local answer = '-'
    -- The first write is one that a full Redis refuses: it allows all that follows a write. One that was taken over before has
    -- its place, and leaves it to take.lua whether it has ended.
    if not call('ZSCORE', P .. 'taken:' .. place, id) and call('SET', P .. 'run:' .. id, ARGV[i + 4] .. owner .. ARGV[i + 2], 'NX') then
        add(places, 'taken:' .. place, change:sub(111, 129), id)
        add(lists, change:byte(4) == 119 and 'waiting' or 'delayed', change:sub(79, 94), id)
        add(lists, 'newest', change:sub(95, 110), id)
        answer = '0'
    end
    answers[#answers + 1] = answer
end
for name, members in pairs(places) do call('ZADD', P .. name, 'NX', unpack(members)) end
write(lists)
return table.concat(answers)
