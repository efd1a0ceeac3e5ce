-- SPDX-License-Identifier: Apache-2.0
-- Whether Redis has come back as another process, which may have lost its last second: `watching` names the process that was seen last,
-- and `rewound` what was matched as it came back, for runs that waited in what it has lost (waits.lua). docs/inside/waits.md says who looks when.
local REWOUND_MS = 600000 -- so late may a run come again that waited in what Redis has lost

-- Where it comes back again soon, the lowest place counts, for all runs that were made until now.
local function note_rewind()
    local rewound, all = P .. 'rewound', call('HGETALL', P .. 'matched')
    for i = 1, #all, 2 do
        local was = call('HGET', rewound, all[i])
        if not was or tonumber(all[i + 1]) < tonumber(was) then call('HSET', rewound, all[i], all[i + 1]) end
    end
    call('HSET', rewound, '', now_text)
    call('PEXPIRE', rewound, REWOUND_MS)
end

-- Answers Redis's process.
local function look_at_process()
    local state, process = P .. 'watching', call('INFO', 'server'):match('run_id:(%x+)') or ''
    local was = call('HGET', state, 'process')
    if was == process then return process end
    -- The first write is one that a full Redis takes, too: it allows all that follows a write.
    call('HDEL', state, 'process')
    if was then note_rewind() end
    call('HSET', state, 'process', process)
    return process
end
