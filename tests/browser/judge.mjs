/** Runs one judge: prints what it found as a line of JSON, and ends with 1 where something was wrong. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, exit } from 'node:process';

/** Gives what the test hands over: `{url, microphone, shots, mode, ...}`. */
export const given = JSON.parse(argv[2] ?? '{}');

/** Takes a picture of the page; pictures are kept by whoever runs the tests. */
export async function shot(page, name) {
  await mkdir(given.shots, { recursive: true });
  await page.screenshot({ path: join(given.shots, `${name}.png`) });
}

/** Runs a judge; it throws what is wrong. `close` runs whatever happens, and `page` is looked at where something is wrong. */
export async function judge(run, close, page = null) {
  let fault = null;
  try {
    await run();
  } catch (error) {
    fault = error;
  }
  if (fault && page) {
    await shot(page, `failed-${given.mode}`).catch(() => {});
    console.error(await page.locator('body').innerText().catch(() => 'the page is gone'));
    console.error(await page.evaluate(sound).catch(() => 'and its sound'));
  }
  await close().catch(() => {});
  if (fault) {
    console.error(fault.stack ?? String(fault));
    exit(1);
  }
  console.log('well');
  exit(0);
}

/** Tells, in the page, what became of its sound. */
function sound() {
  const { contexts, ...counts } = globalThis.sound;
  return JSON.stringify({ ...counts, contexts: contexts.map(({ state, currentTime }) => [state, currentTime]) });
}

/** Throws where something does not hold. */
export function holds(condition, what) {
  if (!condition) throw new Error(what);
}
