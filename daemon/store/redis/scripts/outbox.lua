-- SPDX-License-Identifier: Apache-2.0
-- Letters that are to go out, at most `max`, and for `patience` ms no other daemon's. From ARGV[4] on: those whose delivery
-- was answered, each with 1 where its shard was told so long ago that no rollback takes it back: such a letter is done.
-- Others go out again `lag` ms later. Answers: how many; now; when the next is due,
-- -1: none is; the letters, each its name and what it is.
local max, patience, lag = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local outbox, letters = P .. 'outbox', P .. 'letters'

for i = 4, #ARGV, 2 do
    if ARGV[i + 1] == '1' then
        drop_letter(ARGV[i])
    else
        call('ZADD', outbox, 'XX', now + lag, ARGV[i])
    end
end

local due = {}
for _, name in ipairs(call('ZRANGEBYSCORE', outbox, '-inf', now, 'LIMIT', 0, max)) do
    local letter = call('HGET', letters, name)
    if letter then
        due[#due + 1] = { name, letter }
        call('ZADD', outbox, now + patience, name)
    else
        call('ZREM', outbox, name)
    end
end
local first = call('ZRANGE', outbox, 0, 0, 'WITHSCORES')
return { #due, now, first[2] and tonumber(first[2]) or -1, due }
