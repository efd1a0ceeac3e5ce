-- SPDX-License-Identifier: Apache-2.0
-- Events of a name that are kept for a run until it waits for them (match.lua), oldest first. Answers: how many; now; name and
-- event of each.
local kept, event, found = P .. 'kept:' .. ARGV[1], ARGV[2], {}
local all = call('HGETALL', kept)
for i = 1, #all, 2 do
    local entry = all[i + 1] ~= '' and cmsgpack.unpack(all[i + 1])
    if entry and entry.event == event then
        found[#found + 1] = { stamp = entry.stamp, offset = entry.offset, name = all[i], outcome = entry.outcome }
    end
end
table.sort(found, is_older)
local told = {}
for _, each in ipairs(found) do
    told[#told + 1] = each.name
    told[#told + 1] = each.outcome
end
return { #found, now, told }
