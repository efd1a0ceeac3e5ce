-- SPDX-License-Identifier: Apache-2.0
-- An event of a key, within the window that began with the key's first? `origin` says of which run it is; the run that
-- the key started is admitted, as long as its offset is not committed. Answers: 0 it is that run, 1 another is.
local key, origin, window, id, place, offset = P .. 'seen:' .. ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local first = call('GET', key)
if first and first ~= origin then return { 1, now } end
if tonumber(offset) >= 0 then call('ZADD', P .. 'admitted:' .. place, offset, id) end -- else it is of no message
if not first then call('SET', key, origin, 'PX', window) end
return { 0, now }
