-- SPDX-License-Identifier: Apache-2.0
-- A reader asks what runs wait for that it does not know, and tells how far its partitions are matched: [generation, process]
-- of its watches, then place, offset, … (-1: it only asks). A tale counts only where it knew all. Answers: Redis's process; now; the
-- generation; the one as of which `matched` was lowered last; watches that are new to it, as name NUL later side; for each
-- place what is known to be matched, -1: nothing; watches that were forgotten, of which some may be new again.
local REWOUND_MS = 600000 -- so late may a run come again that waited in what Redis has lost
local known, known_process = tonumber(ARGV[1]), ARGV[2]
local state, matched = P .. 'watching', P .. 'matched'
local process = call('INFO', 'server'):match('run_id:(%x+)') or ''
local s = call('HMGET', state, 'generation', 'lowered', 'process')
local generation, lowered = tonumber(s[1] or 0), tonumber(s[2] or 0)

-- Redis has come back as another: what it has forgotten was matched up to here, for those that waited in it. Where it does so again
-- soon, the lowest place counts, for all runs that were made until now.
local function note_rewind()
    local rewound, all = P .. 'rewound', call('HGETALL', matched)
    for i = 1, #all, 2 do
        local was = call('HGET', rewound, all[i])
        if not was or tonumber(all[i + 1]) < tonumber(was) then call('HSET', rewound, all[i], all[i + 1]) end
    end
    call('HSET', rewound, '', now_text)
    call('PEXPIRE', rewound, REWOUND_MS)
end

if s[3] ~= process then
    call('HSET', state, 'process', process)
    if s[3] then note_rewind() end
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
local function since(list)
    return known < generation and call('ZRANGEBYSCORE', P .. list, '(' .. known, '+inf') or {}
end
return { process, now, generation, lowered, since('watches'), told, since('forgotten') }
