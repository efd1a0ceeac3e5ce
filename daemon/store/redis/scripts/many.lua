-- SPDX-License-Identifier: Apache-2.0
-- Stands before take_many.lua and advance_many.lua, which change runs of one owner, ARGV[1]: what their lists gain is one command for each.
local P, call, owner = KEYS[1], redis.call, ARGV[1]
local answers = {}

-- Scores and ids, of lists by their names.
local function add(lists, name, score, id)
    local list = lists[name] or {}
    lists[name] = list
    list[#list + 1] = score
    list[#list + 1] = id
end

local function write(lists)
    for name, members in pairs(lists) do call('ZADD', P .. name, unpack(members)) end
end
