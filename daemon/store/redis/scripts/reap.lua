-- SPDX-License-Identifier: Apache-2.0
-- Runs of workers whose lease ran out are due now, at most 100 a call. Of a call that was under way for
-- longer than `slack` it can't be told who was quiet: Redis may have been away. Answers: how many; now; 1 when
-- there are more.
local asked, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
if now - asked > slack then return { 0, now, 0 } end
local budget, reaped = 100, 0
-- A daemon of the version before takes a worker from `workers` alone.
for _, list in ipairs({ 'workers', 'holders' }) do
    for _, worker in ipairs(call('ZRANGEBYSCORE', P .. list, '-inf', now, 'LIMIT', 0, 10)) do
        reaped = reaped + hand_back(worker, budget - reaped, 1)
        if reaped == budget then return { reaped, now, 1 } end
    end
end
return { reaped, now, 0 }
