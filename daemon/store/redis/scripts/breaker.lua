-- SPDX-License-Identifier: Apache-2.0
-- What an attempt came to, where its function's breaker hangs on it: 'f' it failed, else the run that was let begin alone came
-- back without an error that counts. `breaker` is function NUL key. Its latest failures stand in `faults:<breaker>` for the
-- window; those that are open in `breakers`, by until when; `probe:<breaker>` is the run that tries whether all is well again.
-- `remember`, ms, 0: not at all, is how long it is of use to know for how long it was open: in `open:<breaker>`, ms in all, and
-- since when it is, 0: it is closed. What began before it opened changes nothing. Answers: 0 no change, 1 it is open, 2 it is closed; now; when a line is to be
-- tried, 0: as before.
local id, breaker, has_failed, attempt = ARGV[1], ARGV[2], ARGV[3] == 'f', ARGV[4]
local failures, window, pause, remember = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local DAY_MS = 86400000
local NOTHING, OPEN, CLOSED = 0, 1, 2
local LINES_MOST = 1000
local faults, probe = P .. 'faults:' .. breaker, P .. 'probe:' .. breaker

-- Lines that it holds are tried then.
local function try_lines(at)
    local held = P .. 'blocked:' .. held_by(breaker)
    for _, name in ipairs(call('ZRANGE', held, 0, LINES_MOST - 1)) do
        local fn, line = name:match('^(%Z*)%z(.*)$')
        if fn then call('ZADD', P .. 'heads:' .. fn, 'XX', at, line) end
    end
    call('UNLINK', held)
end

-- `is_open`: as it was.
local function note_times(is_opening, is_open)
    if remember == 0 then return end
    local key = P .. 'open:' .. breaker
    local total, since = (call('GET', key) or ''):match('^(%d+) (%d+)$')
    total, since = tonumber(total or 0), tonumber(since or 0)
    if not is_open then since = 0 end -- it was forgotten while it was open
    if since > 0 and not is_opening then total, since = total + now - since, 0 end
    if since == 0 and is_opening then since = now end
    call('SET', key, string.format('%.0f %.0f', total, since), 'PX', remember + pause + DAY_MS)
end

local is_open, is_probe = call('ZSCORE', P .. 'breakers', breaker), call('GET', probe) == id
if is_open and not is_probe or not is_open and not has_failed then return { NOTHING, now, 0 } end
if is_open and not has_failed then
    note_times(false, true)
    call('ZREM', P .. 'breakers', breaker)
    call('UNLINK', probe, faults)
    note_breakers()
    try_lines(now)
    return { CLOSED, now, now }
end
if is_open then
    note_times(true, true)
    call('ZADD', P .. 'breakers', now + pause, breaker)
    call('UNLINK', probe)
    try_lines(now + pause)
    return { OPEN, now, now + pause }
end
call('ZADD', faults, now, attempt)
call('ZREMRANGEBYSCORE', faults, '-inf', '(' .. now - window)
call('PEXPIRE', faults, window)
if call('ZCARD', faults) < failures then return { NOTHING, now, 0 } end
call('UNLINK', faults)
note_times(true, false)
call('ZADD', P .. 'breakers', now + pause, breaker)
note_breakers()
return { OPEN, now, 0 }
