/** The token nears its end, or the service says goAway: the page moves to another socket, and nothing is forgotten. */

import { browse, open, state } from './driver.mjs';
import { given, holds, judge } from './judge.mjs';

const browser = await browse(null);
const sockets = [];
const { page, faults } = await open(browser.context, given.url, async (fresh) => {
  fresh.on('websocket', (socket) => sockets.push(new URL(socket.url()).searchParams.get('access_token')));
  await fresh.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('no', 'NotFoundError');
    };
  });
});

/** Types something, and waits for a reply that says this. */
async function ask(text, answer) {
  const replies = page.locator('.entry.model', { hasText: answer });
  const before = await replies.count();
  await page.fill('#text', text);
  await page.keyboard.press('Enter');
  await replies.nth(before).waitFor({ timeout: 60_000 });
}

/** Waits until there have been so many sockets, and the last one stands. */
async function moved(number) {
  for (let tries = 0; sockets.length < number; tries++) {
    holds(tries < 240, `there were ${sockets.length} sockets and no more`);
    await page.waitForTimeout(250);
  }
  await state(page, 'CONNECTED');
}

await judge(async () => {
  await page.click('#connect');
  await page.locator('#problem-actions button', { hasText: 'Type instead' }).click();
  await state(page, 'CONNECTED');
  await ask('My favourite city is Lisbon', /./);
  for (let number = 2; number <= given.sockets; number++) {
    await moved(number);
    await ask('What did I ask before?', /lisbon/i);
  }
  holds(given.tokens === new Set(sockets).size, `of ${sockets.length} sockets ${new Set(sockets).size} had tokens of their own`);
  holds((await page.locator('.entry.model.cut').count()) === 0, 'a reply was cut off');
  await page.click('#end');
  await state(page, 'CLOSED');
  holds(faults.length === 0, `the browser complains: ${faults.join('; ')}`);
}, browser.close, page);
