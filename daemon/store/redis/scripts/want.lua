-- SPDX-License-Identifier: Apache-2.0
-- A person wants a run to end that has no record: should its first attempt be under way somewhere, whoever makes it hears of it
-- with the next heartbeats. Answers: 0 it is asked, 1 there is a record meanwhile; now.
local id, patience = ARGV[1], tonumber(ARGV[2])

if call('EXISTS', P .. 'run:' .. id) == 1 then return { 1, now } end
call('ZADD', P .. 'unwanted', now + patience, id)
call('ZREMRANGEBYSCORE', P .. 'unwanted', 0, now)
return { 0, now }
