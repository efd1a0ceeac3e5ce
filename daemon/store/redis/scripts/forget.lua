-- SPDX-License-Identifier: Apache-2.0
-- Runs that ended longer than `age` ago, or that are more than `count`, are no longer kept: at most 100 a
-- call, oldest first. Of the newest runs no more than 10,000 are listed. Answers: how many; now; 1 when there
-- may be more.
local NEWEST, NEWEST_BUDGET = 10000, 1000
local age, count, newest = tonumber(ARGV[1]), tonumber(ARGV[2]), P .. 'newest'
local forgotten = 0
for _, name in ipairs({ 'history', 'dead' }) do
    local list, budget = P .. name, 50
    local old = call('ZRANGEBYSCORE', list, '-inf', now - age, 'LIMIT', 0, budget)
    if #old == 0 then
        local excess = call('ZCARD', list) - count
        if excess > 0 then old = call('ZRANGE', list, 0, math.min(excess, budget) - 1) end
    end
    if #old > 0 then
        local keys = {}
        for _, id in ipairs(old) do
            if not call('ZSCORE', P .. 'untold', id) then -- else told.lua does it
                keys[#keys + 1] = P .. 'run:' .. id
                keys[#keys + 1] = P .. 'steps:' .. id
                keys[#keys + 1] = P .. 'flow:' .. id
                local h = load(id)
                if h and h.version == ADDED then keys[#keys + 1] = added_of(id, h) end
            end
        end
        call('ZREM', list, unpack(old))
        call('ZREM', newest, unpack(old))
        if #keys > 0 then call('UNLINK', unpack(keys)) end
        forgotten = math.max(forgotten, #old)
    end
end
local excess = call('ZCARD', newest) - NEWEST
if excess > 0 then call('ZREMRANGEBYRANK', newest, 0, math.min(excess, NEWEST_BUDGET) - 1) end
return { forgotten, now, (forgotten == 50 or excess > NEWEST_BUDGET) and 1 or 0 }
