-- SPDX-License-Identifier: Apache-2.0
-- A daemon has linked, and sends nothing before this is answered: what it asks for from here on knows whether Redis has come back as
-- another process. Where nobody has ever waited there is nothing to know. Answers: whether it has looked; now.
if call('EXISTS', P .. 'watching') == 0 then return { 0, now } end
look_at_process()
return { 1, now }
