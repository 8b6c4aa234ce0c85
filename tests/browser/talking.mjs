/** Connect, speak, hear the reply with its tool, interrupt a long one, mute, type, end. */

import { browse, open, said, serious, sounds, state } from './driver.mjs';
import { given, holds, judge, shot } from './judge.mjs';

const browser = await browse(given.microphone);
const { page, faults } = await open(browser.context, given.url);

await judge(async () => {
  await shot(page, `${given.mode}-start-1280-light`);
  await page.click('#connect');
  await state(page, 'CONNECTED');

  // The first question, its tool and its answer.
  await said(page, 'user', /weather/i);
  await page.locator('.tool[data-tool="get_weather"][data-outcome="ok"]').waitFor({ timeout: 60_000 });
  holds(/city/.test(await page.locator('.tool').first().innerText()), 'the tool card does not name its argument');
  await sounds(page);
  await said(page, 'model', /^Assistant[^]*In /);
  holds(/Reply after/.test(await page.locator('#latency').innerText()), 'no latency is shown');
  await shot(page, `${given.mode}-answer-1280-light`);

  // A long answer, which is spoken over. It is asked for again where a stop came between.
  const counting = page.locator('.entry.model', { hasText: /one, two/i }).first();
  for (let attempt = 0; attempt < 6 && (await counting.count()) === 0; attempt++) {
    await page.fill('#text', 'Count to twenty');
    await page.keyboard.press('Enter');
    await counting.waitFor({ timeout: 8000 }).catch(() => {});
  }
  await page.locator('.entry.model.cut', { hasText: /interrupted[^]*one/i }).waitFor({ timeout: 60_000 });
  await page.locator('.entry.user', { hasText: /stop/i }).first().waitFor({ timeout: 60_000 });

  // Muted, the microphone gives nothing; typing goes on.
  await page.click('#mute');
  holds((await page.getAttribute('#mute', 'aria-pressed')) === 'true', 'the mute button does not say that it is pressed');
  const replies = await page.locator('.entry.model').count();
  await page.fill('#text', 'Hello');
  await page.keyboard.press('Enter');
  await said(page, 'user', /^You\s*Hello$/);
  await page.locator('.entry.model').nth(replies).waitFor({ timeout: 60_000 });
  holds((await serious(page)).length === 0, `axe: ${await serious(page)}`);

  await page.click('#end');
  await state(page, 'CLOSED');
  await page.locator('#connect:visible').waitFor();
  holds(faults.length === 0, `the browser complains: ${faults.join('; ')}`);
}, browser.close, page);
