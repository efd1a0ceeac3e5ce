-- SPDX-License-Identifier: Apache-2.0
-- Stands before sweep.lua, whose walks over all keys see each wait: watches by which nobody waits any longer are forgotten. docs/inside/waits.md
-- says why each write is there. A watch that no walk has seen a wait of for `patience` ms fades: it is no longer in `watches`. The walk after
-- that either sees a wait of it, which brings it back, or readers are told that it is forgotten.
local WATCHES, FORGOTTEN_MOST = 500, 10000 -- that a walk looks for; that readers are told of
local worker, patience = ARGV[3], tonumber(ARGV[5])
local walk, unseen, idle, fading, faded = P .. 'walk', P .. 'unseen', P .. 'idle', P .. 'fading', P .. 'faded'
local forgotten, matched = P .. 'forgotten', P .. 'matched'

local function process_of_redis()
    return call('INFO', 'server'):match('run_id:(%x+)') or ''
end

-- It looks for waits by the next watches, in turn, and by those that fade.
local function begin_walk()
    local from = call('HGET', walk, 'from') or '0'
    local some = call('ZRANGEBYSCORE', P .. 'watches', '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', 0, WATCHES)
    call('UNLINK', unseen)
    for i = 1, #some, 2 do call('SADD', unseen, some[i]) end
    call('HSET', walk, 'owner', worker, 'process', process_of_redis(), 'from', #some < 2 * WATCHES and '0' or some[#some])
end

-- Who began to read since the watch faded does not know of it: all look back to where it did.
local function bring_back(watch)
    local generation, all, was = call('HINCRBY', P .. 'watching', 'generation', 1), call('HGETALL', faded), {}
    call('HSET', P .. 'watching', 'lowered', generation)
    call('ZADD', P .. 'watches', generation, watch)
    for i = 1, #all, 2 do was[all[i]] = all[i + 1] end
    local places = call('HGETALL', matched)
    for i = 1, #places, 2 do
        local offset = was[places[i]] or '0'
        if tonumber(offset) < tonumber(places[i + 1]) then call('HSET', matched, places[i], offset) end
    end
end

-- `key`: of an index, as key_of_wait() makes one.
local function see_wait(key)
    local name = key:find('\0', 1, true)
    local later = name and key:find('\0', name + 1, true)
    if not later then return end
    local watch = key:sub(1, later - 1)
    if call('SREM', unseen, watch) == 1 then call('ZREM', idle, watch) end
    if call('ZREM', fading, watch) == 1 then bring_back(watch) end
end

-- The walk has seen no wait of those that fade, and whoever waits by one since it began to has made it a watch again.
local function forget_fading()
    local generation
    for _, watch in ipairs(call('ZRANGE', fading, 0, -1)) do
        if not call('ZSCORE', P .. 'watches', watch) then
            generation = generation or call('HINCRBY', P .. 'watching', 'generation', 1)
            call('ZADD', forgotten, generation, watch)
        end
    end
    call('UNLINK', fading, faded)
    if generation then call('ZREMRANGEBYRANK', forgotten, 0, -FORGOTTEN_MOST - 1) end
end

local function fade(watch)
    if call('EXISTS', fading) == 0 then
        local all = call('HGETALL', matched)
        for i = 1, #all, 2 do call('HSET', faded, all[i], all[i + 1]) end
    end
    call('ZREM', P .. 'watches', watch)
    call('ZREM', idle, watch)
    call('ZADD', fading, 0, watch)
end

local function fade_idle()
    for _, watch in ipairs(call('SMEMBERS', unseen)) do
        call('ZADD', idle, 'NX', now, watch)
        if tonumber(call('ZSCORE', idle, watch)) <= now - patience then fade(watch) end
    end
    call('UNLINK', unseen)
end

-- Only what one worker has walked from end to end, in one process of Redis, has seen all.
local function end_walk()
    local s = call('HMGET', walk, 'owner', 'process')
    if s[1] ~= worker or s[2] ~= process_of_redis() then return end
    call('HDEL', walk, 'owner')
    forget_fading()
    fade_idle()
end
