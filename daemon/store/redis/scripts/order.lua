-- SPDX-License-Identifier: Apache-2.0
-- Runs of one key go one at a time. o: what an ordered run waits in: fn, place (topic:partition),
-- offset, key. One function that makes the others: most runs need none of them.
local function order_of(o)
    local busy, field = P .. 'busy:' .. o.place, o.fn .. '\0' .. o.key
    local behind = P .. 'behind:' .. o.place .. ':' .. o.fn .. ':' .. o.key
    local order = {}

    -- The living run that is first of its key, or nil.
    function order.head()
        local head = call('HGET', busy, field)
        if not head then return nil end
        local h, newer = load(head)
        local status = h and h.status or newer
        return (status == RUN_DELAYED or status == RUN_SLEEPING or status == RUN_OWNED or status == RUN_QUEUED or status == RUN_WAITING) and head or nil
    end

    -- Whether the run is first of its key now; it becomes so where none is.
    function order.become_head(id)
        local head = order.head()
        if not head then call('HSET', busy, field, id) end
        return not head or head == id
    end

    -- 1 where it did not yet, else 0.
    function order.wait_behind(id)
        return call('ZADD', behind, o.offset, id)
    end

    function order.leave_behind(id)
        call('ZREM', behind, id)
    end

    -- None is first of its key: the next that waits is, due now. When: now, or 0 where none waits.
    function order.next()
        for _ = 1, 100 do
            local follower = call('ZPOPMIN', behind)[1]
            if not follower then break end
            local h, newer = load(follower)
            if not h and not newer then call('SADD', P .. 'lost', follower) end
            if h and h.status == RUN_BEHIND then
                h.status, h.changed = RUN_DELAYED, now
                save(follower, h)
                call('ZADD', P .. 'delayed', now, follower)
                call('HSET', busy, field, follower)
                return now
            end
        end
        call('HDEL', busy, field)
        return 0
    end

    -- The run has ended: where it was first of its key, the next is.
    function order.release(id)
        if call('HGET', busy, field) ~= id then return 0 end
        return order.next()
    end

    return order
end
