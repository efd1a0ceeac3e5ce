#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An order in three steps: what was charged once is not charged again, whatever happens after it.
# The event's data is one number here, the order's.
. "$(dirname "$0")/stepd.sh"

read -r order

note() {
    printf '%s %s\n' "$order" "$*" >>"${ORDER_BOOK:-/dev/stderr}"
}

reserve() {
    note reserve
    echo '{"shelf":7}'
}

charge() {
    note charge
    sleep "${BANK_SECONDS:-0}"
    echo "\"r-$order\""
}

step reserve reserve || exit 1
stock=$result
step charge charge || exit 1
step ship note "ship $stock with $result" || exit 1
echo "{\"shipped\":$order}"
