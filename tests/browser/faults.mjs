/** What can stand in the way, in words; and how the page looks in each width and each light. */

import { browse, open, serious } from './driver.mjs';
import { given, holds, judge, shot } from './judge.mjs';

const browser = await browse(null);
const sizes = { 360: { width: 360, height: 740 }, 768: { width: 768, height: 1024 }, 1280: { width: 1280, height: 800 } };

/** Opens a page to which something was done first, connects, and checks the words for it. */
async function stands(kind, words, prepare, url = given.url) {
  const { page, faults } = await open(browser.context, url, prepare);
  await page.click('#connect');
  await page.locator(`#problem[data-kind="${kind}"]`).waitFor({ timeout: 60_000 });
  const text = await page.locator('#problem').innerText();
  holds(words.test(text), `for ${kind} the page says: ${text}`);
  const found = await serious(page);
  holds(found.length === 0, `axe on ${kind}: ${found}`);
  await shot(page, `problem-${kind}`);
  const own = faults.filter((fault) => !/Failed to load resource/.test(fault)); // of what was done to it
  holds(own.length === 0, `the browser complains on ${kind}: ${own.join('; ')}`);
  return { page, faults };
}

/** Has the browser refuse the microphone by an error of that name. */
function refusing(name) {
  return (page) =>
    page.addInitScript((error) => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException('no', error);
      };
    }, name);
}

await judge(async () => {
  for (const [width, size] of Object.entries(sizes)) {
    for (const colorScheme of ['light', 'dark']) {
      const { page, faults } = await open(browser.context, given.url);
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await shot(page, `start-${width}-${colorScheme}`);
      holds((await serious(page)).length === 0, `axe on the start page: ${await serious(page)}`);
      await page.click('#show-dashboard');
      await page.locator('#figures dt', { hasText: 'Tokens given' }).waitFor();
      await shot(page, `dashboard-${width}-${colorScheme}`);
      holds((await serious(page)).length === 0, `axe on the dashboard: ${await serious(page)}`);
      await page.click('#show-talk');
      await page.click('#settings-open');
      await shot(page, `settings-${width}-${colorScheme}`);
      holds((await serious(page)).length === 0, `axe on the settings: ${await serious(page)}`);
      holds(faults.length === 0, `the browser complains: ${faults.join('; ')}`);
    }
  }
  await stands('missing', /no microphone/i, refusing('NotFoundError'));
  const { page: refused, faults: complaints } = await stands('refused', /allow it/i, refusing('NotAllowedError'));
  await stands('busy', /in use/i, refusing('NotReadableError'));
  await stands('insecure', /HTTPS/, (page) => page.addInitScript(() => Object.defineProperty(navigator, 'mediaDevices', { value: undefined })));
  await stands('gone', /cannot be reached/i, (page) => page.route('**/api/token', (route) => route.abort()));
  const { page: often } = await stands('too-often', /try again in \d+ s/i, (page) =>
    page.route('**/api/token', (route) =>
      route.fulfill({
        status: 429,
        headers: { 'retry-after': '8', 'content-type': 'application/problem+json' },
        body: JSON.stringify({ type: '/docs#too-often', title: 'x', status: 429, detail: 'There are at most 30.' }),
      }),
    ),
  );
  holds(await often.locator('#connect').isDisabled(), 'connecting is possible before the time');
  await often.locator('#problem-text', { hasText: 'again now' }).waitFor({ timeout: 15_000 });

  // Without a microphone, one can type; and all of it by keyboard.
  await refused.locator('#problem-actions button', { hasText: 'Type instead' }).focus();
  await refused.keyboard.press('Enter');
  await refused.locator('#text:visible').waitFor({ timeout: 60_000 });
  await refused.locator('#text').focus();
  await refused.keyboard.type('Search the web for the Eiffel Tower');
  await refused.keyboard.press('Enter');
  await refused.locator('.sources a').first().waitFor({ timeout: 60_000 });
  holds((await refused.locator('.sources li').first().getAttribute('value')) === '1', 'sources are not numbered');
  await refused.waitForTimeout(500);
  await shot(refused, 'sources-1280-light');
  holds((await serious(refused)).length === 0, `axe on sources: ${await serious(refused)}`);
  holds(await refused.locator('iframe.searches').count() === 1, 'the further searches are not shown');
  holds(complaints.length === 0, `the browser complains: ${complaints.join('; ')}`);
}, browser.close);
