-- SPDX-License-Identifier: Apache-2.0
-- Stands before each script. KEYS[1] is "PREFIX{shard}:"; keys.h says what the keys are, record.h
-- what the header of a run is. Scripts never look into a body, a tail or a checkpoint.
local P, call = KEYS[1], redis.call
local OK, MOVED, CANCELLED, GONE, LIMIT = 0, 1, 2, 3, 4
local HEADER_SIZE, HEADER = 64, '<Bc1BBHHI4I4i8i8I4I4I4HHc16'
local VERSION, ADDED, SEVERAL, VERSION_MAX, ORDERED, CANCEL, FLOW, TELL = 1, 2, 3, 31, 1, 2, 4, 8
local INVOKED, MAIL, UNASKED = 16, 32, 64

local time = call('TIME')
local now_text = time[1] .. ('00000' .. time[2]):sub(-6, -4) -- a number costs Redis a printf
local now = tonumber(now_text)

-- The header at the start of `raw`; nil: it is none that this version can read.
local function parsed(raw)
    local version = raw:byte(1)
    if #raw < HEADER_SIZE or version < VERSION or version > SEVERAL then return nil end
    local _, status, phase, flags, attempt, takeovers, epoch, checkpoints, created, changed, body, tail, state, unclean,
        settled, owner = struct.unpack(HEADER, raw)
    return { version = version, status = status, phase = phase, flags = flags, attempt = attempt, takeovers = takeovers, epoch = epoch,
             checkpoints = checkpoints, created = created, changed = changed, body = body, tail = tail, state = state,
             unclean = unclean, settled = settled, owner = owner }
end

-- What a key of ours holds; nil where something of another kind stands in its place.
local function read(...)
    local reply = redis.pcall(...)
    local failed = type(reply) == 'table' and reply.err
    if not failed then return reply end
    return not failed:find('WRONGTYPE', 1, true) and call(...) or nil
end

-- Of a record that a later version has written: its status, which stands at the same place in all. It is left to those
-- who know it. nil: `raw` is no such record.
local function newer_status(raw)
    local version = #raw >= HEADER_SIZE and raw:byte(1) or 0
    return version > SEVERAL and version <= VERSION_MAX and raw:sub(2, 2) or nil
end

-- The run's header; or nil, and newer_status().
local function load(id)
    local raw = read('GETRANGE', P .. 'run:' .. id, 0, HEADER_SIZE - 1)
    local h = raw and parsed(raw)
    return h, raw and not h and newer_status(raw) or nil
end

local function packed(h)
    return struct.pack(HEADER, h.version or VERSION, h.status, h.phase, h.flags, h.attempt, h.takeovers, h.epoch,
        h.checkpoints, h.created, h.changed, h.body, h.tail, h.state, h.unclean, h.settled or 0,
        h.owner)
end

local function save(id, h)
    call('SETRANGE', P .. 'run:' .. id, 0, packed(h))
    if h.folded then call('UNLINK', h.folded) end -- added.lua
end

local function has(flags, flag)
    return flags % (2 * flag) >= flag
end

local function without(flags, flag)
    return has(flags, flag) and flags - flag or flags
end

-- Runs of several events are due in a list that daemons which know none do not read.
local function delayed_of(h)
    return P .. (h.version == SEVERAL and 'delayed-3' or 'delayed')
end
