-- SPDX-License-Identifier: Apache-2.0
-- An event's id, seen within its window? The message that came with it first may ask again.
-- Answers: 0 it is the first, 1 another message brought it.
local key, origin, window = P .. 'seen:' .. ARGV[1], ARGV[2], ARGV[3]
local first = call('GET', key)
if not first then call('SET', key, origin, 'PX', window) end
return { (not first or first == origin) and 0 or 1, now }
