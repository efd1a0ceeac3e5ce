-- SPDX-License-Identifier: Apache-2.0
-- Which of some runs stand in no list by which they go on. ARGV[1]: their ids, one behind the other. Of runs that wait behind another
-- all are answered, and those that could wait in their function's line: a list's name is made of what stands in their bodies, which
-- scripts never read. Answers: how many; now; ids.
local ids, lost = ARGV[1], {}

local function is_lost(id, h)
    if h.status == RUN_BEHIND then return true end
    if h.status == RUN_WAITING then return not call('ZSCORE', P .. 'waiting', id) end
    if h.status == RUN_OWNED then
        local worker = h.owner:gsub('.', function(c) return string.format('%02x', c:byte()) end)
        return not call('ZSCORE', P .. 'owned:' .. worker, id) and call('SISMEMBER', P .. 'held:' .. worker, id) == 0
    end
    return (h.status == RUN_DELAYED or h.status == RUN_SLEEPING) and not call('ZSCORE', delayed_of(h), id)
end

for at = 1, #ids, 32 do
    local id = ids:sub(at, at + 31)
    local h = load(id)
    if h and is_lost(id, h) then lost[#lost + 1] = id end
end
return { #lost, now, lost }
