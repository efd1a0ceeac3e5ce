-- SPDX-License-Identifier: Apache-2.0
-- Checkpoints that an owner adds by himself: the record is of version ADDED then, the first `settled` of its checkpoints
-- stand in `steps:<id>`, and those behind them in the list `added:<id>:<epoch>`. Its owner pushes to it with one RPUSHX, which
-- knows that name alone: so whoever takes the run from him, or asks him to end it, folds the list into `steps` first, and
-- what he still pushes finds none.
local function added_of(id, h)
    return P .. 'added:' .. id .. ':' .. string.format('%.0f', h.epoch)
end

-- The record is of the older version then. What was pushed since the header was written is counted here. The caller saves
-- the header, and only with that the list goes: where Redis refuses one of these commands, all is done again.
local function fold(id, h)
    if h.version ~= ADDED then return end
    local list, steps, members = added_of(id, h), P .. 'steps:' .. id, {}
    local all = read('LRANGE', list, 0, -1) or {}
    local counted = h.checkpoints - h.settled
    if h.settled == 0 then call('UNLINK', steps) end -- those of a record that was lost
    for i, checkpoint in ipairs(all) do
        members[#members + 1] = h.settled + i - 1
        members[#members + 1] = checkpoint
        if i > counted then h.state = h.state + #checkpoint end
        if #members == 2000 or i == #all then
            call('ZADD', steps, unpack(members))
            members = {}
        end
    end
    if #all > counted then h.attempt, h.unclean = 0, 0 end
    if #all >= counted then h.checkpoints = h.settled + #all end -- else some are lost: a claim counts them
    h.version, h.settled, h.folded = VERSION, 0, list
end
