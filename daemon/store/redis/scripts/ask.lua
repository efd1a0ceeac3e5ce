-- SPDX-License-Identifier: Apache-2.0
-- Stands first where the last argument says what a run waits for (await.lua).
local ask = cmsgpack.unpack(table.remove(ARGV))
