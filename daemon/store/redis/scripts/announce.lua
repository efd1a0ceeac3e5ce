-- SPDX-License-Identifier: Apache-2.0
-- Functions that a daemon has, each with where its runs are put (port.c), so that all daemons can call them. Answers: 0; now.
for i = 1, #ARGV, 2 do call('HSET', P .. 'functions', ARGV[i], now_text .. ' ' .. ARGV[i + 1]) end
return { 0, now }
