-- SPDX-License-Identifier: Apache-2.0
-- Between shards goes what one script can't write: a call to the shard of the run that is called, its answer to the caller's.
-- Such a letter stands in `letters` under its name, and in `outbox` by when it goes out, in the shard that it is from, from
-- the same script on that makes what it tells. A name is its kind, S(tart), A(nswer) or Q(uestion), and the called run; a letter is the
-- run that it is for, and what is told.
local function post(name, letter)
    if call('HSETNX', P .. 'letters', name, letter) == 1 then call('ZADD', P .. 'outbox', now, name) end
end

local function drop_letter(name)
    call('HDEL', P .. 'letters', name)
    call('ZREM', P .. 'outbox', name)
end
