/** Connect, speak, hear the reply with its tool, interrupt a long one, mute, type, end; on a phone, too, and in the dark. */

import { around, browse, open, said, serious, sounds, state, watch } from './driver.mjs';
import { given, holds, judge, shot } from './judge.mjs';

const { width, light } = given;
const browser = await browse(given.microphone, { width, light });
const { page, faults } = await open(browser.context, given.url);
const phone = width === 360;

/** Presses a button as this device does. */
const press = (selector) => (phone ? page.tap(selector) : page.click(selector));

/** Takes a picture; on a phone nothing may stick out of it. */
async function picture(name) {
  await shot(page, `${given.mode}-${name}-${width}-${light}`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  holds(wide <= width, `the page is ${wide} pixels wide in ${name}`);
}

await judge(async () => {
  await picture('start');
  await press('#connect');
  await state(page, 'CONNECTED');

  // The first question, its tool and its answer.
  await said(page, 'user', /weather/i);
  await page.locator('.tool[data-tool="get_weather"][data-outcome="ok"]').waitFor({ timeout: 60_000 });
  holds(/city/.test(await page.locator('.tool').first().innerText()), 'the tool card does not name its argument');
  await sounds(page);
  await said(page, 'model', /^Assistant[^]*In /);
  holds(/Reply after/.test(await page.locator('#latency').innerText()), 'no latency is shown');
  await picture('answer');
  holds((await serious(page)).length === 0, `axe on a transcript: ${await serious(page)}`);

  // A long answer, which is spoken over. It is asked for again where a stop came between.
  await watch(page, '.entry.model.cut', 'ne, two');
  const counting = page.locator('.entry.model', { hasText: /one, two/i }).first();
  for (let attempt = 0; attempt < 6 && (await counting.count()) === 0; attempt++) {
    await page.fill('#text', 'Count to twenty');
    await page.keyboard.press('Enter');
    await counting.waitFor({ timeout: 8000 }).catch(() => {});
  }
  await page.locator('.entry.model.cut', { hasText: /interrupted[^]*one/i }).waitFor({ timeout: 60_000 });
  await page.locator('.entry.user', { hasText: /stop/i }).first().waitFor({ timeout: 60_000 });
  await page.waitForTimeout(1500);
  const heard = await around(page);
  holds(heard.loudest > 0.01, `before the interruption the output was at ${heard.loudest}`);
  holds(heard.silentAfter !== null && heard.silentAfter < 1000, `the output fell silent ${heard.silentAfter} ms after`);
  await picture('interrupted');

  // Muted, the microphone gives nothing; typing goes on.
  await press('#mute');
  holds((await page.getAttribute('#mute', 'aria-pressed')) === 'true', 'the mute button does not say that it is pressed');
  await picture('muted');
  const replies = await page.locator('.entry.model').count();
  await page.fill('#text', 'Hello');
  await page.keyboard.press('Enter');
  await said(page, 'user', /^You\s*Hello$/);
  await page.locator('.entry.model').nth(replies).waitFor({ timeout: 60_000 });
  holds((await serious(page)).length === 0, `axe: ${await serious(page)}`);

  await press('#end');
  await state(page, 'CLOSED');
  await page.locator('#connect:visible').waitFor();
  holds(faults.length === 0, `the browser complains: ${faults.join('; ')}`);
}, browser.close, page);
