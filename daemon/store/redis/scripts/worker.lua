-- SPDX-License-Identifier: Apache-2.0
local function hex(owner)
    return (owner:gsub('.', function(c) return string.format('%02x', c:byte()) end))
end

local function take_away(id, worker, unclean)
    local h, newer = load(id)
    if not h and not newer then call('SADD', P .. 'lost', id) end
    if h and h.status == RUN_OWNED and hex(h.owner) == worker then
        fold(id, h)
        h.status, h.changed, h.epoch = RUN_DELAYED, now, h.epoch + 1
        h.takeovers = math.min(h.takeovers + 1, 65535)
        h.unclean = math.min(h.unclean + unclean, 65535)
        save(id, h)
        release_if_flow(id, h)
        call('ZADD', delayed_of(h), now, id)
    end
end

-- Runs of a worker that is gone become due now, at most `budget`; the worker is forgotten with the
-- last of them. The epoch moves on, so that nothing the worker may still say counts.
local function hand_back(worker, budget, unclean)
    local owned, held = P .. 'owned:' .. worker, P .. 'held:' .. worker
    local ids = call('ZRANGE', owned, 0, budget - 1)
    for _, id in ipairs(ids) do
        take_away(id, worker, unclean)
        call('ZREM', owned, id)
    end
    local others = #ids < budget and call('SRANDMEMBER', held, budget - #ids) or {}
    for _, id in ipairs(others) do
        take_away(id, worker, unclean)
        call('SREM', held, id)
    end
    local count = #ids + #others
    if count < budget then
        local counts = call('HGETALL', P .. 'stats:' .. worker)
        for i = 1, #counts, 2 do
            call('HINCRBY', P .. 'stats', counts[i], counts[i + 1])
        end
        call('UNLINK', P .. 'stats:' .. worker, P .. 'asked:' .. worker, P .. 'mailed:' .. worker, P .. 'claim:' .. worker)
        call('ZREM', P .. 'workers', worker)
        call('ZREM', P .. 'holders', worker)
    end
    return count
end
