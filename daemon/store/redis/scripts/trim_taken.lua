-- SPDX-License-Identifier: Apache-2.0
-- What was taken over of offsets below the committed one never comes again; at most 100 a call.
-- Answers: 1 when there are more.
local taken, below = P .. 'taken:' .. ARGV[1], '(' .. ARGV[2]
local old = call('ZCOUNT', taken, '-inf', below)
if old > 0 then call('ZREMRANGEBYRANK', taken, 0, math.min(old, 100) - 1) end
return { old > 100 and 1 or 0, now }
