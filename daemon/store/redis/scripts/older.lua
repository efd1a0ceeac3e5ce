-- SPDX-License-Identifier: Apache-2.0
-- Of two events that are kept, by Kafka's time; of one moment by their offsets: which daemon, or thread, read them first says nothing.
local function is_older(a, b)
    if a.stamp ~= b.stamp then return a.stamp < b.stamp end
    if a.offset ~= b.offset then return a.offset < b.offset end
    return a.name < b.name
end
