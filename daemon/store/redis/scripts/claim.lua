-- SPDX-License-Identifier: Apache-2.0
-- What is due becomes this worker's, at most `max` runs or some 8 MiB. `serial` numbers the worker's
-- claims: the same number again is the same claim, whose reply was lost. From ARGV[5] on: functions with runs
-- that wait in their lines, how many of each the worker has room for, and the rules of its turns; these go first.
-- Answers: 1 when this worker's lease ran out, else 0; now; when the next is due, -1 never; the runs, each
-- [id, header, record with the header of before, [checkpoint, …], has_turn of turns.lua, 0: none; when its turn is, µs, 0: now],
-- or [id] where its record is lost; when those functions' lines are to be tried next, -1 never; functions whose lines others have
-- joined by this claim.
local owner, worker, serial, max = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local delayed, claim = { P .. 'delayed', P .. 'delayed-3' }, P .. 'claim:' .. worker
local BYTES = 8 * 1024 * 1024

local function next_due()
    local due = -1
    for _, list in ipairs(delayed) do
        local at = tonumber(call('ZRANGE', list, 0, 0, 'WITHSCORES')[2] or -1)
        if at >= 0 and (due < 0 or at < due) then due = at end
    end
    return due
end

-- The ids that are first in line, and of each the line it is from.
local function first_in_lines()
    local ids, from, again = {}, {}, {}
    for i = 5, #ARGV, 3 do
        local line, room = P .. 'line:' .. ARGV[i], math.min(tonumber(ARGV[i + 1]), max - #ids)
        for _, id in ipairs(room > 0 and call('ZRANGE', line, 0, room - 1) or {}) do
            if not from[id] then ids[#ids + 1] = id end
            from[id] = line
        end
        again[#again + 1] = serve(ARGV[i], ARGV[i + 2], math.min(tonumber(ARGV[i + 1]), max - #ids), ids)
    end
    return ids, from, again
end

-- A run of a function with limits whose time is there joins its line.
local function join_line(id, h)
    local f = has(h.flags, FLOW) and flow_of(id)
    if not f then return false end
    h.status, h.changed = RUN_QUEUED, now
    save(id, h)
    enter_line(id, f)
    return f.fn
end

-- All its checkpoints, in order; nil where something else stands in their place. Where some are lost, the
-- others move up: the header counts them.
local function checkpoints_of(id, h)
    if h.checkpoints == 0 and h.state == 0 then return {} end
    local steps = P .. 'steps:' .. id
    local all = read('ZRANGE', steps, 0, -1)
    if not all then return nil end
    if #all ~= h.checkpoints then
        h.checkpoints, h.state = #all, 0
        for i, checkpoint in ipairs(all) do
            call('ZADD', steps, i - 1, checkpoint)
            h.state = h.state + #checkpoint
        end
    end
    return all
end

-- The header, once it is ours, of a run that has no checkpoints: most have none, and a table of its fields is dear.
local now_packed = struct.pack('<i8', now)
local function owned(raw, flags)
    return '\1o' .. raw:sub(3, 3) .. flags .. raw:sub(5, 8) .. struct.pack('<I4', (struct.unpack('<I4', raw, 9)) + 1) .. raw:sub(13, 24) ..
               now_packed .. raw:sub(33, 48) .. owner
end

-- Where it has no limits either; nil: it is another.
local function taken_over(raw)
    local version, status, _, flags = raw:byte(1, 4)
    if #raw < HEADER_SIZE or version ~= VERSION or (status ~= 100 and status ~= 115) or flags >= FLOW then return nil end
    if raw:sub(13, 16) ~= '\0\0\0\0' then return nil end
    return owned(raw, raw:sub(4, 4))
end

if call('EXISTS', P .. 'stats:' .. worker) == 0 then return { 1, now, -1, {} } end

local ids, from, again, is_again = nil, {}, {}, false
for word in string.gmatch(call('GET', claim) or '', '%S+') do
    if ids then
        ids[#ids + 1] = word
    elseif word == serial then
        ids, is_again = {}, true
    else
        break
    end
end
if not ids then
    ids, from, again = first_in_lines()
    for _, list in ipairs(delayed) do
        for _, id in ipairs(#ids < max and call('ZRANGEBYSCORE', list, '-inf', now, 'LIMIT', 0, max - #ids) or {}) do
            if not from[id] then ids[#ids + 1] = id end
        end
    end
end
if #ids == 0 then return { 0, now, next_due(), {}, again, {} } end

local runs, claimed, due, listed, gone, bytes, joined = {}, {}, {}, {}, {}, 0, {}

local function hold(id, header, raw, checkpoints, turn)
    call('SETRANGE', P .. 'run:' .. id, '0', header)
    claimed[#claimed + 1] = id
    if turn == 0 then due[#due + 1] = id end
    if header:byte(1) == SEVERAL then
        call('SADD', P .. 'held:' .. worker, id)
    else
        listed[#listed + 1] = now_text
        listed[#listed + 1] = id
    end
    runs[#runs + 1] = { id, header, raw, checkpoints, turn, turn_us[id] or is_again and now_us + AHEAD_US or 0 }
end

for _, id in ipairs(ids) do
    local raw = records[id] or read('GET', P .. 'run:' .. id)
    local header = records[id] and owned(raw, '\0') or raw and not is_again and not from[id] and not has_turn[id] and taken_over(raw)
    local h = raw and not header and (headers[id] or parsed(raw))
    if header then
        bytes = bytes + #raw
        if bytes > BYTES and #runs > 0 and not records[id] then break end
        hold(id, header, raw, {}, has_turn[id] or 0)
    elseif is_again then
        if not (h and h.status == RUN_OWNED and h.owner == owner and h.version ~= ADDED) then h = nil end
    elseif h and (has_turn[id] or h.status == RUN_DELAYED or h.status == RUN_SLEEPING) and not (from[id] and h.changed > now) then
        bytes = bytes + #raw + h.state
        if bytes > BYTES and #runs > 0 and not has_turn[id] then break end
        local fn = not has_turn[id] and join_line(id, h)
        if fn then
            joined[#joined + 1] = fn
            gone[#gone + 1] = id
            if from[id] then call('ZREM', from[id], id) end
            h = nil
        else
            h.status, h.changed, h.epoch, h.owner = RUN_OWNED, now, h.epoch + 1, owner
        end
    else
        -- Lost, or not due at all (an older daemon may have taken it past its line), or of a later version: whose daemons
        -- put it back where they look for it.
        if from[id] then call('ZREM', from[id], id) else gone[#gone + 1] = id end
        if not h and not (raw and newer_status(raw)) then runs[#runs + 1] = { id } end
        h = nil
    end
    local checkpoints = h and checkpoints_of(id, h)
    if h and from[id] then call('ZREM', from[id], id) end
    if h and not checkpoints then
        gone[#gone + 1] = id
        runs[#runs + 1] = { id }
    elseif h then
        hold(id, packed(h), raw, checkpoints, has_turn[id] or 0)
    end
end
if #listed > 0 then call('ZADD', P .. 'owned:' .. worker, unpack(listed)) end
for i, list in ipairs(delayed) do
    if #due > 0 and (i == 1 or #listed < 2 * #claimed) then call('ZREM', list, unpack(due)) end
    if #gone > 0 then call('ZREM', list, unpack(gone)) end
end
if not is_again then call('SET', claim, serial .. ' ' .. table.concat(claimed, ' ')) end
return { 0, now, next_due(), runs, again, joined }
