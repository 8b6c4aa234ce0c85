/** Signs in with the access key, talks, and looks everywhere in the page for what must not be there. */

import { browse, open, serious, state } from './driver.mjs';
import { given, holds, judge, shot } from './judge.mjs';

const { width, light } = given;
const browser = await browse(null, { width, light });
const seen = new Map(); // where -> text
const pending = [];
const { page, faults } = await open(browser.context, given.url, async (fresh) => {
  const note = (where, text) => seen.set(`${where} ${seen.size}`, text);
  fresh.on('console', (message) => note('the console', message.text()));
  fresh.on('request', (request) => note('an address', request.url()));
  fresh.on('websocket', (socket) => {
    note('an address', socket.url());
    socket.on('framesent', ({ payload }) => note('a frame to the service', String(payload)));
    socket.on('framereceived', ({ payload }) => note('a frame from the service', String(payload)));
  });
  fresh.on('response', (response) => {
    const read = async () => {
      note(`the headers of ${new URL(response.url()).pathname}`, JSON.stringify(await response.allHeaders()));
      note(`the body of ${new URL(response.url()).pathname}`, await response.text());
    };
    pending.push(read().catch(() => {})); // some have no body
  });
  await fresh.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('no', 'NotFoundError');
    };
  });
});

/** Every way in which a text may hold a secret. */
function disguises(secret) {
  const base64 = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  return [secret, encodeURIComponent(secret), base64, Buffer.from(secret).toString('hex')];
}

await judge(async () => {
  await page.locator('#problem-actions button', { hasText: 'Sign in' }).click();
  await page.locator('#login[open]').waitFor();
  await shot(page, `login-${width}-${light}`);
  holds((await serious(page)).length === 0, `axe on the login: ${await serious(page)}`);
  await page.fill('#access-key', 'a guess');
  await page.keyboard.press('Enter');
  await page.locator('#login-fault', { hasText: /key/ }).waitFor();
  await page.fill('#access-key', given.access);
  await page.keyboard.press('Enter');
  await page.locator('#login').waitFor({ state: 'hidden' });
  await page.click('#connect');
  await page.locator('#problem-actions button', { hasText: 'Type instead' }).click();
  await state(page, 'CONNECTED');
  await page.fill('#text', 'What time is it in Tokyo?');
  await page.keyboard.press('Enter');
  await page.locator('.entry.model', { hasText: /tokyo/i }).first().waitFor({ timeout: 60_000 });
  await page.click('#show-dashboard');
  await page.locator('#figures dt', { hasText: 'Tokens given' }).waitFor();

  await Promise.all(pending);
  const inPage = await page.evaluate(() => ({
    'the document': document.documentElement.outerHTML,
    'the fields': [...document.querySelectorAll('input')].map(({ value }) => value).join(' '),
    'the storage': JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
    'the cookies that scripts read': document.cookie,
    'the address': location.href,
  }));
  for (const [where, text] of Object.entries(inPage)) seen.set(where, text);
  holds([...seen.keys()].filter((where) => where.startsWith('the body of /api/token')).length === 1, 'the bodies were not read');
  for (const [where, text] of seen) {
    for (const secret of [given.key, given.access]) {
      holds(!disguises(secret).some((form) => text.includes(form)), `a key is in ${where}`);
    }
  }
  const token = JSON.parse([...seen].find(([where]) => where.startsWith('the body of /api/token'))[1]);
  for (const [where, text] of Object.entries(inPage)) {
    holds(!text.includes(token.token) && !text.includes(token.session_secret), `a token is in ${where}`);
  }
  const unexpected = faults.filter((fault) => !/status of 401/.test(fault)); // of the guess
  holds(unexpected.length === 0, `the browser complains: ${unexpected.length} times`);
}, browser.close);
