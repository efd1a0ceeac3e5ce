-- SPDX-License-Identifier: Apache-2.0
-- Proof of life, with this worker's counters since it began. `is_first`: nothing was said before.
-- Answers: 1 when its lease ran out meanwhile (and nothing was done), else 0; now; runs of it that a
-- person has cancelled; how many runs wait for their time, are its own, are dead; runs
-- whose records are lost; the functions with runs that wait in line; runs without a record that a person has cancelled; how
-- many each of those functions has; how many of these know no more than their function's concurrency; by what the open
-- breakers of now are known, and, unless that is ARGV[5], which: the first of them, and how many there are;
-- how many runs were cancelled and that is not out (untold.lua); when the first debounced
-- run is due, -1: none is; the same of the first whose time to begin or end is over; runs of it for which something has
-- come that they wait for (mail.lua).
local BREAKERS_MOST = 1000
local function first_score(list)
    local first = call('ZRANGE', P .. list, 0, 0, 'WITHSCORES')
    return first[2] and tonumber(first[2]) or -1
end

local worker, is_first, lease = ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
-- Redis has come back as another process: attempts that it has forgotten may execute, so that for one lease no place is given
-- (turns.lua).
local function look_at_process()
    local process = call('INFO', 'server'):match('run_id:(%x+)') or ''
    local was = call('GET', P .. 'process')
    if was == process then return end
    call('SET', P .. 'process', process)
    if was then call('SET', P .. 'reborn', '1', 'PX', lease, 'NX') end
end

local stats = P .. 'stats:' .. worker
if is_first then look_at_process() end
if not is_first and call('EXISTS', stats) == 0 then return { 1, now, {} } end
call('ZADD', P .. 'workers', now + lease, worker)

local function mailed()
    local list, ids = P .. 'mailed:' .. worker, {}
    for _, id in ipairs(call('SRANDMEMBER', list, 100)) do
        local h = load(id)
        if h and h.status == RUN_OWNED and h.owner == ARGV[1] and has(h.flags, MAIL) then
            ids[#ids + 1] = id
        else
            call('SREM', list, id)
        end
    end
    return ids
end

call('ZADD', P .. 'holders', now + lease, worker)
local waiting, lines, lengths = call('ZCARD', P .. 'delayed') + call('ZCARD', P .. 'delayed-3'), {}, {}
local plain = {}
for _, fn in ipairs(call('SMEMBERS', P .. 'lines')) do
    local length, queued = call('ZCARD', P .. 'line:' .. fn), call('ZCARD', P .. 'queue:' .. fn)
    if length + queued == 0 then
        call('SREM', P .. 'lines', fn)
    else
        lines[#lines + 1] = fn
        lengths[#lengths + 1] = length + queued
        plain[#plain + 1] = length
    end
end
call('HSET', stats, unpack(ARGV, 6))
local at = call('GET', P .. 'breakers_at') or ''
local are_new = at ~= ARGV[5]
return { 0, now, call('SRANDMEMBER', P .. 'asked:' .. worker, 100), waiting,
         call('ZCARD', P .. 'owned:' .. worker) + call('SCARD', P .. 'held:' .. worker), call('ZCARD', P .. 'dead'), call('SPOP', P .. 'lost', 100), lines,
         call('ZRANGEBYSCORE', P .. 'unwanted', now, '+inf', 'LIMIT', 0, 100), lengths, plain,
         at, are_new and call('ZRANGE', P .. 'breakers', 0, BREAKERS_MOST - 1) or {}, are_new and call('ZCARD', P .. 'breakers') or 0,
         call('ZCOUNT', P .. 'untold', '-inf', now), first_score('debounced'), first_score('deadlines'), mailed() }
