-- SPDX-License-Identifier: Apache-2.0
-- stepd/function.cancelled of a run is out: the run counts as ended. One that is no longer kept goes with it; one that a person has
-- begun anew meanwhile goes on. `until`: by when who asks was to say so; where it is another by now, the run was cancelled once
-- more, or given to another, whose word counts. Answers: 0; now.
local id, until_ms = ARGV[1], tonumber(ARGV[2])
local h = load(id)
local stands = call('ZSCORE', P .. 'untold', id)
if stands and tonumber(stands) ~= until_ms then return { 0, now } end
call('ZREM', P .. 'untold', id)
if not h or not has(h.flags, TELL) then return { 0, now } end
local has_ended = h.status == RUN_CANCELLED or h.status == RUN_COMPLETED or h.status == RUN_FAILED
if has_ended and not call('ZSCORE', P .. 'history', id) and not call('ZSCORE', P .. 'dead', id) then
    call('UNLINK', P .. 'run:' .. id, P .. 'steps:' .. id, P .. 'flow:' .. id)
    call('ZREM', P .. 'newest', id)
    return { 0, now }
end
h.flags = without(h.flags, TELL)
save(id, h)
return { 0, now }
