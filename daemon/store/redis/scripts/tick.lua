-- SPDX-License-Identifier: Apache-2.0
-- A tick of a function's schedule: recorded once, whoever asks, and never one that is not later than the last. Its run, if it
-- is to have one, is made by the same script, due now. Without a time (0) it only tells the last one; where there is none,
-- the function is new, and its ticks count from now.
-- Answers: how (0: recorded, 1: it was before, 2: it is not time yet), now, the last one that is recorded.
local fn, scheduled, runs, id, epoch, body = ARGV[1], ARGV[2], ARGV[3] == '1', ARGV[4], tonumber(ARGV[5]), ARGV[6]
local flow, ahead = ARGV[7], tonumber(ARGV[8]) -- what its run waits for (flow.lua; empty: nothing), how far before others, µs
local last = call('HGET', P .. 'ticks', fn)

if scheduled == '0' then
    if not last then call('HSET', P .. 'ticks', fn, now_text) end
    return { 1, now, tonumber(last or now_text) }
end
if last and tonumber(scheduled) <= tonumber(last) then return { 1, now, tonumber(last) } end
if tonumber(scheduled) > now then return { 2, now, tonumber(last or 0) } end
local in_line = flow ~= ''
if runs and call('SET', P .. 'run:' .. id, struct.pack(HEADER, VERSION, in_line and RUN_QUEUED or RUN_DELAYED, 0, in_line and FLOW or 0, 0, 0, epoch, 0,
    now, now, #body, 0, 0, 0, 0, ('\0'):rep(16)) .. body, 'NX') then
    call('ZADD', P .. 'newest', now_text, id)
    if in_line then
        local f = cmsgpack.unpack(flow)
        f.fn, f.begun, f.ahead, f.score = fn, false, ahead, now_us - ahead
        expect_begin(id, f, now)
        make_wishes(id, f, now)
        call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
        enter_line(id, f)
    else
        call('ZADD', P .. 'delayed', now_text, id)
    end
end
call('HSET', P .. 'ticks', fn, scheduled)
return { 0, now, tonumber(scheduled) }
