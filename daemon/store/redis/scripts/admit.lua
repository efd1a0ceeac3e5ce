-- SPDX-License-Identifier: Apache-2.0
-- An event of a function whose limits are of all daemons: it starts nothing, or a run that may begin at once, or one that
-- waits in line for its turn. All is decided first and written last: what a later rule refuses the earlier ones do not
-- remember. An event that comes again goes on without being asked, as long as its offset is not committed. `ask`, msgpack:
-- seen, window, origin (of dedupe); what rules.lua reads; debounce: by, its function and key, period, timeout (ms, 0: none);
-- flow (as flow.lua has it, where it waits in line: `ahead` µs before others); part, of its message; again, where a person sends it again; older_id. What is not
-- asked is left out.
-- Answers: 0 it begins, 1 it is in line, 2 a duplicate, 3 over the rate limit, 4 another of its key lives, 5 it is the event
-- of a run that waits, 6 the store has, or had, the run already; now; when the run is due, 0: not in line.
local id, owner, fn, place, offset, key = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local epoch, created, body, is_ordered = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10], ARGV[11] == '1'
local ask = cmsgpack.unpack(ARGV[12])
local BEGINS, IN_LINE, DUPLICATE, REPLACES, KNOWN = 0, 1, 2, 5, 6
local LATE_US = 600 * 1000000
local events = ARGV[13] and cmsgpack.unpack(ARGV[13]) or {} -- of several, each one's place, offset and id
local taken, admitted = P .. 'taken:' .. place, P .. 'admitted:' .. place

if ask.flow and (load(id) or call('ZSCORE', taken, id)) then return { KNOWN, now, 0 } end
local is_known = call('ZSCORE', admitted, id)
for _, event in ipairs(events) do
    is_known = is_known or call('ZSCORE', P .. 'admitted:' .. event[1], event[3])
end
if is_known and not ask.flow then return { BEGINS, now, 0 } end

-- The key's window began with another event.
local function is_duplicate()
    local first = ask.seen and call('GET', P .. 'seen:' .. ask.seen)
    return first and first ~= ask.origin
end

local function remember()
    if ask.seen then call('SET', P .. 'seen:' .. ask.seen, ask.origin, 'NX', 'PX', ask.window) end
end

local function take()
    call('ZADD', taken, 'NX', offset, id)
    if ask.older_id then call('ZADD', taken, 'NX', offset, ask.older_id) end
    for _, event in ipairs(events) do
        call('ZADD', P .. 'taken:' .. event[1], 'NX', event[2], event[3])
    end
end

local h = { version = ARGV[13] and SEVERAL or VERSION, status = RUN_QUEUED, phase = 0,
            flags = FLOW + (is_ordered and ORDERED or 0), attempt = 0, takeovers = 0, epoch = epoch,
            checkpoints = 0, created = created, changed = now, body = #body, tail = 0, state = 0, unclean = 0, owner = owner }

-- When the event arrived, as the order in a line has it. Kafka's time and the offset say so, since workers may bring the messages of a
-- partition in another order than they came. A time to come is now, and one that is long ago counts as LATE_US ago: Kafka's times may be a
-- producer's.
local function arrived_us()
    if ask.again then return now_us end
    return math.min(math.max(created * 1000 + tonumber(offset) % 1000, now_us - LATE_US), now_us)
end

local f = ask.flow
if f then
    f.fn, f.lock, f.begun, f.ahead, f.score = fn, ask.lock, false, ask.ahead, arrived_us() - ask.ahead
    if is_ordered then f.place, f.offset, f.key = place, offset, key end
end

-- Whether the event came before the one that the run `waits` has now: by offset in one partition, else by Kafka's time.
local function is_older(waits)
    if waits.place ~= place then return created < waits.created end
    if waits.offset ~= tonumber(offset) then return tonumber(offset) < waits.offset end
    return ask.part < waits.part
end

-- What a debounced run has of its latest event.
local function held(first)
    local due = now + ask.debounce.period
    if ask.debounce.timeout > 0 then due = math.min(due, first + ask.debounce.timeout) end
    return { by = ask.debounce.by, first = first, due = due, place = place, offset = tonumber(offset), part = ask.part, created = created,
             ask = { rate = ask.rate, interval = ask.interval, tolerance = ask.tolerance, lock = ask.lock, cancels = ask.cancels,
                     history = ask.history, seen = ask.seen, origin = ask.origin } }
end

-- The run of the key that waits for a later event, if there is one: its id, header and flow.
local function waiting_run()
    local first = call('GET', P .. 'debounce:' .. ask.debounce.by)
    local waits = first and flow_of(first)
    if not waits or not waits.held or waits.held.due <= now then return nil end
    local header = load(first)
    return header and header.status == RUN_QUEUED and first or nil, header, waits
end

local function wait_for_later(run, first)
    f.held, f.lock = held(first), false
    expect_begin(run, f, created)
    make_wishes(run, f, created)
    call('SET', P .. 'flow:' .. run, cmsgpack.pack(f))
    call('SET', P .. 'debounce:' .. ask.debounce.by, run, 'PX', math.max(f.held.due - now, 1))
    enter_line(run, f)
end

local function debounce()
    local run, header, waits = waiting_run()
    if not run then
        call('SET', P .. 'run:' .. id, packed(h) .. body)
        take()
        remember()
        call('ZADD', P .. 'newest', created, id)
        wait_for_later(id, now)
        return { IN_LINE, now, f.held.due }
    end
    if is_older(waits.held) then
        take()
        remember()
        return { REPLACES, now, 0 }
    end
    header.body, header.tail = #body, 0
    call('SET', P .. 'run:' .. run, packed(header) .. body)
    take()
    remember()
    f.score = waits.score
    forget_wishes(run, waits)
    wait_for_later(run, waits.held.first)
    return { REPLACES, now, f.held.due }
end

if not is_known and is_duplicate() then return { DUPLICATE, now, 0 } end
if ask.debounce then return debounce() end
local why = not is_known and refusal(id, ask)
if why then return { why, now, 0 } end

-- The first write is one that a full Redis refuses: it allows all that follows a write.
if f then
    call('SET', P .. 'run:' .. id, packed(h) .. body)
else
    call('ZADD', admitted, offset, id)
    for _, event in ipairs(events) do
        call('ZADD', P .. 'admitted:' .. event[1], event[2], event[3])
    end
end
remember()
if is_known then ask.rate = nil end
let_in(id, ask)
if not f then return { BEGINS, now, 0 } end

take()
call('ZADD', P .. 'newest', created, id)
expect_begin(id, f, ask.again and now or created)
make_wishes(id, f, created)
call('SET', P .. 'flow:' .. id, cmsgpack.pack(f))
local order = is_ordered and order_of({ fn = fn, place = place, offset = offset, key = key })
if order and not order.become_head(id) then
    call('SETRANGE', P .. 'run:' .. id, 1, RUN_BEHIND)
    order.wait_behind(id)
    return { IN_LINE, now, 0 }
end
enter_line(id, f)
return { IN_LINE, now, now }
