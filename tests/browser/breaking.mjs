/** The network goes in mid-sentence and comes back; then the page is loaded anew. */

import { browse, open, said, sounds, state } from './driver.mjs';
import { given, holds, judge, shot } from './judge.mjs';
import { Line } from './line.mjs';

const relayed = given.mode === 'relay';
// In the direct way the line to the Live service is cut, in the other the one to the gateway.
const line = relayed ? await Line.to(Number(new URL(given.url).port)) : await Line.to(given.live, given.line);
const url = relayed ? `http://localhost:${line.port}` : given.url;
const browser = await browse(given.microphone, { width: 360 });
const { page, faults } = await open(browser.context, url);

await judge(async () => {
  await page.click('#connect');
  await state(page, 'CONNECTED');
  await page.waitForTimeout(1800); // the question has begun
  line.cut();
  await state(page, 'RECONNECTING');
  await shot(page, `${given.mode}-reconnecting-360-light`);
  await page.waitForTimeout(2500); // and has ended before the network is back
  line.mend();
  await state(page, 'CONNECTED');
  await said(page, 'user', /time.*tokyo/i);
  await sounds(page);
  await said(page, 'model', /tokyo/i);
  holds(await page.locator('.note', { hasText: /Reconnected/ }).count() > 0 || relayed, 'nothing says that it reconnected');

  await page.reload();
  if (relayed) {
    await page.locator('#connect', { hasText: 'Continue' }).waitFor();
    await page.click('#connect');
    await state(page, 'CONNECTED');
    await said(page, 'user', /tokyo/i);
    await page.fill('#text', 'What did I ask?');
    await page.keyboard.press('Enter');
    await page.locator('.entry.model', { hasText: /asked|tokyo/i }).nth(1).waitFor({ timeout: 60_000 });
  } else {
    await page.click('#connect');
    await state(page, 'CONNECTED');
    await page.fill('#text', 'Hello');
    await page.keyboard.press('Enter');
    await page.locator('.entry.model').first().waitFor({ timeout: 60_000 });
  }
  await shot(page, `${given.mode}-after-reload-360-light`);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  holds(width <= 360, `the page is ${width} pixels wide on a phone`);
  await page.click('#end');
  await state(page, 'CLOSED');
  const unexpected = faults.filter((fault) => !/WebSocket connection|net::ERR/.test(fault)); // of the cut itself
  holds(unexpected.length === 0, `the browser complains: ${unexpected.join('; ')}`);
}, async () => {
  line.close();
  await browser.close();
}, page);
