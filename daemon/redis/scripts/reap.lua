-- SPDX-License-Identifier: Apache-2.0
-- Runs of workers whose lease ran out are due now, at most 100 a call.
-- Answers: how many; now; 1 when there are more.
local budget, reaped = 100, 0
for _, worker in ipairs(call('ZRANGEBYSCORE', P .. 'workers', '-inf', now, 'LIMIT', 0, 10)) do
    reaped = reaped + hand_back(worker, budget - reaped, 1)
    if reaped == budget then return { reaped, now, 1 } end
end
return { reaped, now, 0 }
