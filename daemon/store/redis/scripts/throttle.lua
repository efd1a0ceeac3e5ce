-- SPDX-License-Identifier: Apache-2.0
-- Runs that wait for their turn alone, of a function whose `rules` (turns.lua) know a throttle at most: no place, time, lock or order
-- binds them. Once such a run has had its turn there is nothing left to limit: it is a run without the flag FLOW from then on, and its
-- `flow:<id>` goes. So it takes no second turn, and its retries and its end cost what those of any run do. The lines that are
-- due are served together, and what they have in common is one command for all.
-- A turn may be given a moment before it is there: its worker begins the run when it is. So neither the way to Redis makes it late nor a
-- moment in which Redis is busy, and one claim gives many.
local MEMBERS = { fn = true, line = true, turn = true, places = true, lock = true, begun = true, ahead = true, score = true }
local BYTES_MOST = 8 * 1024 * 1024 -- of records, in one call
local AHEAD_US = 20000             -- how long before its time a turn is given

local has_turn = {} -- by id: it is to be claimed now: 1, or 2: an open breaker lets it begin alone
local turn_us = {}  -- by id: when its turn is, µs, of those whose turn is not there yet
local records = {}  -- of those that nothing limits any more: as they were read

-- `turn`: function NUL line, by which its throttle counts.
local function waits_for_its_turn_alone(f, turn)
    for name in pairs(f) do
        if not MEMBERS[name] then return false end
    end
    return #f.places == 0 and not f.lock and not f.begun and f.turn == turn
end

-- Its record, where it has not begun and waits for its turn alone.
local function read_throttled(id, turn)
    local raw = read('GET', P .. 'run:' .. id)
    if not raw or #raw < HEADER_SIZE or raw:byte(1) ~= VERSION or raw:byte(4) ~= FLOW then return nil end
    if raw:sub(2, 2) ~= RUN_QUEUED or raw:sub(13, 16) ~= '\0\0\0\0' then return nil end
    local f = flow_of(id)
    return f and waits_for_its_turn_alone(f, turn) and raw or nil
end

-- How many turns there are, up to `room`, where they are used up until `tat`, µs: those of now, and up to `early` that are soon to come.
-- And when the first is.
local function count_turns(tat, rules, room, early)
    if not rules.interval then return room, now_us end
    local first = math.max(tat, now_us) - rules.tolerance
    local function until_then(at) return math.max(math.floor((at - first) / rules.interval) + 1, 0) end
    local present = until_then(now_us)
    return math.min(room, present + early, early > 0 and until_then(now_us + AHEAD_US) or present), first
end

-- Whether the first in line has had its turn before (enter_line).
local function has_begun_first(turn)
    local score = call('ZRANGE', P .. 'line:' .. turn, 0, 0, 'WITHSCORES')[2]
    return score and tonumber(score) < 0
end

-- When the line's next turn is, ms.
local function next_turn_at(tat, rules)
    if not rules.interval or tat - now_us <= rules.tolerance then return now end
    return math.ceil((tat - rules.tolerance) / 1000)
end

-- The first `count` of those that wait, as far as they wait for their turn alone.
local function first_of(waiting, count, turn)
    local first, bytes = {}, 0
    for i = 1, math.min(count, #waiting) do
        local id = waiting[i]
        local raw = bytes < BYTES_MOST and read_throttled(id, turn)
        if not raw then break end
        first[i], records[id], bytes = id, raw, bytes + #raw
    end
    return first, bytes
end

-- They take their turns and leave the line. Answers until when turns are used up then.
local function begin_first(first, turn, tat, rules)
    if rules.interval then
        tat = math.max(tat, now_us) + #first * rules.interval
        call('SET', P .. 'turn:' .. turn, string.format('%.0f', tat), 'PX', math.ceil((tat - now_us) / 1000) + 1)
    end
    call('ZREM', P .. 'line:' .. turn, unpack(first))
    return tat
end

-- Of the lines the runs that may begin, up to `room`, are added to `ids`. A line in which the first waits for more than its turn
-- is served as `serve_line` does it. The lines are in order of time: where no more turns may be given early, the rest has none.
local function serve_throttled(fn, lines, rules, room, ids, serve_line)
    local begun, flows, later, empty, bytes, early = {}, {}, {}, {}, 0, rules.early or 0
    for _, line in ipairs(lines) do
        if room <= 0 or bytes >= BYTES_MOST then break end
        local turn = fn .. '\0' .. line
        local tat = rules.interval and tonumber(call('GET', P .. 'turn:' .. turn) or 0) or 0
        local count, first_us = count_turns(tat, rules, room, early)
        local waiting = count > 0 and call('ZRANGE', P .. 'line:' .. turn, 0, count) or {} -- and one more
        local first, size = first_of(waiting, count, turn)
        if #first > 0 then tat = begin_first(first, turn, tat, rules) end
        for i, id in ipairs(first) do
            local at = first_us + (i - 1) * (rules.interval or 0)
            if at > now_us then turn_us[id], early = at, early - 1 end
            has_turn[id] = 1
            ids[#ids + 1] = id
            begun[#begun + 1] = id
            flows[#flows + 1] = P .. 'flow:' .. id
        end
        room, bytes = room - #first, bytes + size
        if count > 0 and #first == #waiting then
            empty[#empty + 1] = line
        elseif #first == 0 and (count > 0 or has_begun_first(turn)) then
            room = room - serve_line(fn, line, rules, room, ids)
        else
            later[#later + 1] = next_turn_at(tat, rules)
            later[#later + 1] = line
            if rules.early and early <= 0 and count == 0 then break end
        end
    end
    if #begun > 0 then
        call('ZREM', P .. 'queue:' .. fn, unpack(begun))
        call('UNLINK', unpack(flows))
    end
    if #later > 0 then call('ZADD', P .. 'heads:' .. fn, unpack(later)) end
    if #empty > 0 then call('ZREM', P .. 'heads:' .. fn, unpack(empty)) end
end
