-- SPDX-License-Identifier: Apache-2.0
-- A reader asks what runs wait for that it does not know, and tells how far its partitions are matched: [generation, process]
-- of its watches, then place, offset, … (-1: it only asks). A tale counts only where it knew all. Answers: Redis's process; now; the
-- generation; the one as of which `matched` was lowered last; watches that are new to it, as name NUL later side; for each
-- place what is known to be matched, -1: nothing; watches that were forgotten, of which some may be new again.
local known, known_process = tonumber(ARGV[1]), ARGV[2]
local state, matched = P .. 'watching', P .. 'matched'
local process = look_at_process()
local s = call('HMGET', state, 'generation', 'lowered')
local generation, lowered = tonumber(s[1] or 0), tonumber(s[2] or 0)

local told = {}
for i = 3, #ARGV, 2 do
    local place, offset = ARGV[i], tonumber(ARGV[i + 1])
    local was = tonumber(call('HGET', matched, place) or -1)
    if offset > was and known == generation and known_process == process then
        call('HSET', matched, place, ARGV[i + 1])
        was = offset
    end
    told[#told + 1] = was
end
local function since(list)
    return known < generation and call('ZRANGEBYSCORE', P .. list, '(' .. known, '+inf') or {}
end
return { process, now, generation, lowered, since('watches'), told, since('forgotten') }
