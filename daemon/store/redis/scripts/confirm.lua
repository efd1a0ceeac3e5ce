-- SPDX-License-Identifier: Apache-2.0
-- A reader asks what runs wait for that it does not know, and tells how far its partitions are matched: [generation, process]
-- of its watches, then place, offset, … (-1: it only asks). A tale counts only where it knew all. Answers: Redis's process; now; the
-- generation; the one as of which `matched` was lowered last; watches that are new to it, as name NUL later side; for each
-- place what is known to be matched, -1: nothing.
local known, known_process = tonumber(ARGV[1]), ARGV[2]
local state, matched = P .. 'watching', P .. 'matched'
local process = call('INFO', 'server'):match('run_id:(%x+)') or ''
local s = call('HMGET', state, 'generation', 'lowered', 'process')
local generation, lowered = tonumber(s[1] or 0), tonumber(s[2] or 0)

-- Redis has come back as another: what it has forgotten was matched up to here, for those that waited in it.
if s[3] ~= process then
    call('HSET', state, 'process', process)
    local rewound = P .. 'rewound'
    if s[3] and call('EXISTS', rewound) == 0 then
        local all = call('HGETALL', matched)
        for i = 1, #all, 2 do call('HSET', rewound, all[i], all[i + 1]) end
        call('HSET', rewound, '', now_text)
        call('PEXPIRE', rewound, 60000)
    end
end

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
local news = known < generation and call('ZRANGEBYSCORE', P .. 'watches', '(' .. known, '+inf') or {}
return { process, now, generation, lowered, news, told }
