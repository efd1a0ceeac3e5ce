-- SPDX-License-Identifier: Apache-2.0
-- What an attempt came to, where its function's breaker hangs on it: 'f' it failed, else the run that was let begin alone came
-- back without an error that counts. `breaker` is function NUL key. Its latest failures stand in `faults:<breaker>` for the
-- window; those that are open in `breakers`, by until when; `probe:<breaker>` is the run that tries whether all is well again.
-- What began before it opened changes nothing. Answers: 0 no change, 1 it is open, 2 it is closed; now; when a line is to be
-- tried, 0: as before.
local id, breaker, has_failed, attempt = ARGV[1], ARGV[2], ARGV[3] == 'f', ARGV[4]
local failures, window, pause = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
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

local is_open, is_probe = call('ZSCORE', P .. 'breakers', breaker), call('GET', probe) == id
if is_open and not is_probe or not is_open and not has_failed then return { NOTHING, now, 0 } end
if is_open and not has_failed then
    call('ZREM', P .. 'breakers', breaker)
    call('UNLINK', probe, faults)
    note_breakers()
    try_lines(now)
    return { CLOSED, now, now }
end
if is_open then
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
call('ZADD', P .. 'breakers', now + pause, breaker)
note_breakers()
return { OPEN, now, 0 }
