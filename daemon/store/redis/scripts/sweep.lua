-- SPDX-License-Identifier: Apache-2.0
-- A page of all runs: those that stand in no list by which a run goes on, or is forgotten, are put back there;
-- where a record is lost, that is told (heartbeat.lua). Of a worker that is in no list itself the lease begins:
-- if it is dead, it is reaped. Answers: how many were put back; now; the next cursor, 0 at the end; of runs
-- that wait behind another: id, the record's first bytes, …
local cursor, lease, ask_every = ARGV[1], tonumber(ARGV[4]), tonumber(ARGV[6])
local HEAD, BYTES, WAITS_MOST = 4096, 512 * 1024, 100
local found, waiting, bytes = 0, {}, 0

-- One worker does this at a time.
local sweeper = call('GET', P .. 'sweeper')
if sweeper and sweeper ~= worker then return { 0, now, '0', {} } end
call('SET', P .. 'sweeper', worker, 'PX', 10000)
if cursor == '0' then begin_walk() end

-- Of a breaker that was open, nothing came for a day: it is forgotten.
if cursor == '0' and call('ZREMRANGEBYSCORE', P .. 'breakers', '-inf', now - 86400000) > 0 then note_breakers() end

local function put_back(list, score, id)
    found = found + call('ZADD', list, 'NX', score, id)
end

local lines
local function is_in_line(id)
    lines = lines or call('SMEMBERS', P .. 'lines')
    for _, fn in ipairs(lines) do
        if call('ZSCORE', P .. 'line:' .. fn, id) then return true end
    end
    return false
end

-- Its time to begin, or to end, is not forgotten.
local function look_at_deadline(id, h)
    local f = has(h.flags, FLOW) and not HAS_ENDED[h.status] and flow_of(id)
    if f and f.deadline then put_back(P .. 'deadlines', f.deadline, id) end
end

-- One of several; of a run with too many steps to look at them all it is believed to have some.
local function has_await(id, h)
    for i = 0, math.min(h.checkpoints, WAITS_MOST) - 1 do
        if call('EXISTS', P .. 'await:' .. id .. ':' .. i + WAITS_FROM) == 1 then return true end
    end
    return h.checkpoints > WAITS_MOST
end

-- As far as its checkpoints show: one has the value that invoke.c gives a call.
local function has_called(id, h)
    if h.state > BYTES then return false end
    for _, checkpoint in ipairs(read('ZRANGE', P .. 'steps:' .. id, 0, -1) or {}) do
        if checkpoint:find('\166invoke\217\32', 1, true) then return true end
    end
    return false
end

-- A run that waits, and nothing says what for, or `calls` is lost beside its other waits: it is woken once, and waits or calls anew, or says
-- what it waits for (calling_end.lua).
local function waits_for_nothing(id, h)
    local calls = P .. 'calls:' .. id
    if call('EXISTS', P .. 'await:' .. id) == 1 or call('EXISTS', calls) == 1 then return false end
    if has_await(id, h) and not has_called(id, h) then return false end
    return call('HSET', calls, '?', now_text) == 1
end

local function look_at_run(id)
    local h = load(id)
    if h then look_at_deadline(id, h) end
    if h and has(h.flags, TELL) then put_back(P .. 'untold', now, id) end
    if not h then
        return -- not of this version: for those who know it
    elseif h.status == RUN_QUEUED then
        local f = flow_of(id)
        if not f then -- its keys are lost: nothing limits it
            h.status = RUN_DELAYED
            save(id, h)
            put_back(delayed_of(h), h.changed, id)
        elseif not is_in_its_line(id, f) then
            enter_line(id, f)
            found = found + 1
        end
    elseif h.status == RUN_DELAYED or h.status == RUN_SLEEPING then
        if h.changed > now or not is_in_line(id) then put_back(delayed_of(h), h.changed, id) end
    elseif h.status == RUN_WAITING then
        if waits_for_nothing(id, h) then
            h.status, h.changed = RUN_DELAYED, now
            save(id, h)
            call('ZREM', P .. 'waiting', id)
            put_back(delayed_of(h), now, id)
        else
            put_back(P .. 'waiting', h.changed, id)
        end
    elseif h.status == RUN_OWNED then
        local owner = hex(h.owner)
        if h.version ~= VERSION then
            found = found + call('SADD', P .. 'held:' .. owner, id)
            call('ZADD', P .. 'holders', 'NX', now + lease, owner)
        elseif call('SISMEMBER', P .. 'held:' .. owner, id) == 0 then
            put_back(P .. 'owned:' .. owner, now, id)
            call('ZADD', P .. 'workers', 'NX', now + lease, owner)
        end
    elseif h.status == RUN_BEHIND and bytes < BYTES then
        local head = call('GETRANGE', P .. 'run:' .. id, 0, HEAD - 1)
        bytes = bytes + #head
        waiting[#waiting + 1] = id
        waiting[#waiting + 1] = head
    elseif h.status == RUN_FAILED then
        call('ZADD', P .. 'dead', 'NX', h.changed, id)
    elseif (h.status == RUN_COMPLETED or h.status == RUN_CANCELLED) and not has(h.flags, TELL) then
        call('ZADD', P .. 'history', 'NX', h.changed, id)
    end
end

-- Checkpoints never outlive their run's record.
local function look_at_steps(id)
    if call('EXISTS', P .. 'run:' .. id) == 0 then
        call('SADD', P .. 'lost', id)
        call('UNLINK', P .. 'steps:' .. id)
    end
end

local function is_held(id)
    for _, holder in ipairs(call('ZRANGE', P .. 'holders', 0, -1)) do
        if call('SISMEMBER', P .. 'held:' .. holder, id) == 1 then return true end
    end
    return false
end

-- Nor does a list that an owner added to. Of a run that had ended a daemon of the version before leaves it behind when it
-- forgets that.
local function look_at_added(id, epoch)
    local h, newer = load(id)
    if newer or h and h.version == ADDED and h.epoch == epoch then return end
    if not h and is_held(id) then call('SADD', P .. 'lost', id) end
    call('UNLINK', P .. 'added:' .. id .. ':' .. string.format('%.0f', epoch))
end

-- Nor does what a run waits for.
local function look_at_await(member)
    local h, newer = load(member:sub(1, 32))
    local a = not newer and (not h or HAS_ENDED[h.status]) and await_of(member)
    if a then forget_wait(member, a) end
end

-- Calls that are open for long are asked after, each `ask_every` ms, where the run is that was called (deliver.lua): that shard may have lost
-- who called it, or the run, or its answer.
local function look_at_calls(id)
    local calls, h = P .. 'calls:' .. id, load(id)
    local asked = h and not HAS_ENDED[h.status] and (call('HGET', calls, '?') or '0')
    if not asked or now - tonumber(asked) < ask_every then return end
    local all, is_open_for_long = call('HGETALL', calls), false
    for i = 1, #all, 2 do
        local callee, state = all[i], all[i + 1]
        if #callee == 32 and is_open(id, callee, state) and call('HEXISTS', P .. 'letters', 'S' .. callee) == 0 then
            local around = state:match('^m%d+(.*)$') or state:sub(2)
            if asked ~= '0' and around ~= '' then post('Q' .. callee, callee .. id .. around) end
            is_open_for_long = true
        end
    end
    if is_open_for_long then call('HSET', calls, '?', now_text) end
end

-- The record of a run that was called is lost: its caller hears of it.
local function look_at_called(id)
    local raw = call('EXISTS', P .. 'run:' .. id) == 0 and read('GET', P .. 'called:' .. id)
    local c = raw and cmsgpack.unpack(raw)
    if c and not c.answer then keep_loss(id, c) end
end

-- Letters go out, whatever became of the list of those that are to.
local function look_at_letters()
    local some = call('HSCAN', P .. 'letters', '0', 'COUNT', 10)[2] -- those that have gone make room for the next
    for i = 1, #some, 2 do call('ZADD', P .. 'outbox', 'NX', now, some[i]) end
end

look_at_letters()
local page = call('SCAN', cursor, 'MATCH', P:gsub('[%[%]%*%?\\]', '\\%0') .. '*', 'COUNT', 100)
for _, name in ipairs(page[2]) do
    local kind, id = name:match('^(%l+):(%x+)$', #P + 1)
    if kind == 'run' then look_at_run(id) end
    if kind == 'steps' then look_at_steps(id) end
    if kind == 'calls' then look_at_calls(id) end
    if kind == 'called' then look_at_called(id) end
    local added, epoch = name:match('^added:(%x+):(%d+)$', #P + 1)
    if added then look_at_added(added, tonumber(epoch)) end
    if name:match('^living:', #P + 1) then drop_ended(name) end
    local waits = name:match('^await:(%x+:?%d*)$', #P + 1)
    if waits then look_at_await(waits) end
    if name:sub(#P + 1, #P + 5) == 'wait:' then see_wait(name:sub(#P + 6)) end
    if kind == 'mailed' and call('EXISTS', P .. 'stats:' .. id) == 0 then call('UNLINK', name) end
    local is_alone = (kind == 'flow' or kind == 'calls' or kind == 'mail') and call('EXISTS', P .. 'run:' .. id) == 0
    if is_alone and kind ~= 'calls' then call('UNLINK', name) end
    if is_alone and kind == 'calls' and call('PTTL', name) < 0 then call('PEXPIRE', name, 3600000) end
end
if page[1] == '0' then end_walk() end
return { found, now, page[1], waiting }
