-- SPDX-License-Identifier: Apache-2.0
-- What was taken over, or let in by a dedupe window, of offsets below the committed one never comes again; at most 100
-- of each a call. Answers: 1 when there are more.
local below, has_more = '(' .. ARGV[2], 0
for _, name in ipairs({ 'taken:', 'admitted:' }) do
    local list = P .. name .. ARGV[1]
    local old = call('ZCOUNT', list, '-inf', below)
    if old > 0 then call('ZREMRANGEBYRANK', list, 0, math.min(old, 100) - 1) end
    if old > 100 then has_more = 1 end
end
return { has_more, now }
