/** Opens a report from disk as a person would: looks, listens, points and types, without any network. */

import { browse, open, serious } from '../driver.mjs';
import { given, holds, judge, shot } from '../judge.mjs';

const SIZES = [[1280, 900], [768, 900], [360, 720]];
const { context, close } = await browse(null, { colorScheme: given.mode, viewport: { width: 1280, height: 900 } });
const asked = [];
context.on('request', (request) => {
  if (!/^(file|data|blob):/.test(request.url())) asked.push(request.url());
});
await context.setOffline(true);
const { page, faults } = await open(context, given.url);

/** Gives where the sound is, and whether it plays. */
const sound = () => page.evaluate(() => {
  const { currentTime, paused, duration } = document.getElementById('sound');
  return { currentTime, paused, duration };
});
const head = () => page.evaluate(() => Number(document.getElementById('head').getAttribute('x1')));
const until = (test, what) => page.waitForFunction(test, null, { timeout: 10_000 }).catch(() => holds(false, what));

async function plays() {
  await until(() => document.getElementById('sound').readyState > 0, 'the sound is not loaded');
  const { duration } = await sound();
  holds(Math.abs(duration - given.seconds) < 0.1, `the sound lasts ${duration} s`);
  const box = await page.locator('svg.timeline').boundingBox();
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  await until(() => !document.getElementById('sound').paused, 'pointing does not play');
  const { currentTime } = await sound();
  const expected = given.lasted / 2 - given.offset;
  holds(Math.abs(currentTime - expected) < 1, `it plays from ${currentTime} s and not from ${expected} s`);
  const before = await head();
  await until((from) => Number(document.getElementById('head').getAttribute('x1')) > 505, 'the line does not move on');
  holds((await head()) > before, 'the line went back');
}

async function obeysKeys() {
  await page.locator('#lanes').focus();
  await page.keyboard.press('Space');
  await until(() => document.getElementById('sound').paused, 'space does not pause');
  await page.keyboard.press('Home');
  holds((await head()) === 0, 'Home does not go to the beginning');
  await page.keyboard.press('n');
  const first = await head();
  holds(Math.abs(first - (1000 * given.turns[0]) / given.lasted) < 1, `n goes to ${first}`);
  await page.keyboard.press('ArrowRight');
  holds((await head()) > first, 'the right arrow does not go forth');
  await page.keyboard.press('p');
  holds(Math.abs((await head()) - first) < 1, 'p does not go back');
  await page.locator('#in').click();
  const wide = await page.locator('svg.timeline').boundingBox();
  const lanes = await page.locator('#lanes').boundingBox();
  holds(wide.width > 1.9 * lanes.width, 'the plus does not enlarge');
  await page.locator('#out').click();
}

async function fits() {
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    holds(over <= 0, `at ${width} px the page is ${over} px too wide`);
    await page.screenshot({ path: `${given.shots}/report-${given.mode}-${width}.png`, fullPage: true });
  }
}

await judge(async () => {
  await shot(page, `report-${given.mode}`);
  await plays();
  await obeysKeys();
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
  await fits();
  const found = await serious(page);
  holds(!found.length, found.join('\n'));
  holds(!faults.length, faults.join('\n'));
  holds(!asked.length, `it asked for ${asked}`);
}, close, page);
