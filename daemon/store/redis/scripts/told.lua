-- SPDX-License-Identifier: Apache-2.0
-- stepd/function.cancelled of a run is out: the run counts as ended. One that is no longer kept goes with it. Answers: 0; now.
local id = ARGV[1]
call('ZREM', P .. 'untold', id)
local h = load(id)
if not h or not has(h.flags, TELL) then return { 0, now } end
if h.status == RUN_CANCELLED and not call('ZSCORE', P .. 'history', id) then
    call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'flow:' .. id)
    call('ZREM', P .. 'newest', id)
    return { 0, now }
end
h.flags = without(h.flags, TELL)
save(id, h)
return { 0, now }
