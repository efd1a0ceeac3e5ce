// SPDX-License-Identifier: Apache-2.0
// An order in three steps: what was charged once is not charged again, whatever happens after it.
'use strict';
const fs = require('fs');
const stepd = require('./stepd');

const order = stepd.event().data;

function note(what) {
  fs.appendFileSync(process.env.ORDER_BOOK ?? '/dev/stderr', `${order.id} ${what}\n`);
}

async function main() {
  const stock = await stepd.step('reserve', () => {
    note('reserve');
    return { shelf: 7 };
  });
  const payment = await stepd.step('charge', async () => {
    note('charge');
    await new Promise((resolve) => setTimeout(resolve, Number(process.env.BANK_SECONDS ?? 0) * 1000));
    if (order.amount > 1000) throw new stepd.NonRetriable('the card has a limit of 1000');
    return { receipt: `r-${order.id}` };
  });
  await stepd.step('ship', () => note(`ship from ${stock.shelf} with ${payment.receipt}`));
  stepd.output({ shipped: order.id });
}

main();
