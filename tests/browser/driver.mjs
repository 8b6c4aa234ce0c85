/** Starts Chromium with a recording as its microphone, and watches a page for what must not happen. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
];
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Opens a browser whose microphone is a WAV file, once through; `close()` ends it. */
export async function browse(microphone, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  const heard = microphone ? [`--use-file-for-fake-audio-capture=${microphone}%noloop`] : [];
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [...FLAGS, ...heard, ...(options.flags ?? [])],
    permissions: options.permissions ?? ['microphone'],
    viewport: options.viewport ?? { width: 1280, height: 800 },
    colorScheme: options.colorScheme ?? 'light',
    serviceWorkers: 'block',
  });
  const close = async () => {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { context, close };
}

/** Opens the web client, `prepare(page)` done before, and collects what the browser has to complain of. */
export async function open(context, url, prepare = async () => {}) {
  const page = await context.newPage();
  const faults = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
  await page.addInitScript(() => {
    // What a judge that fails can tell of the sound: blocks of each worklet, and the loudest of the microphone's.
    globalThis.sound = { contexts: [], capture: 0, playback: 0, loudest: 0 };
    globalThis.AudioContext = class extends AudioContext {
      constructor(...settings) {
        super(...settings);
        globalThis.sound.contexts.push(this);
      }
    };
    globalThis.AudioWorkletNode = class extends AudioWorkletNode {
      constructor(context, name, settings) {
        super(context, name, settings);
        this.port.addEventListener('message', ({ data }) => {
          globalThis.sound[name] += 1;
          if (data.rms) globalThis.sound.loudest = Math.max(globalThis.sound.loudest, data.rms);
        });
      }
    };
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile, lineNumber }) => {
      console.error(`policy: ${violatedDirective} against ${blockedURI} (${sourceFile}:${lineNumber})`);
    });
  });
  await prepare(page);
  await page.goto(url);
  return { page, faults };
}

/** Gives what axe finds serious or critical on the page as it stands. */
export async function serious(page) {
  // Playwright puts this in from outside the page, so the page's policy, which forbids it, stays as it is.
  const { readFile } = await import('node:fs/promises');
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`);
}

/** Waits until the page shows this state. */
export function state(page, name, timeout = 60_000) {
  return page.waitForFunction((wanted) => document.body.dataset.state === wanted, name, { timeout });
}

/** Waits until the meter of the reply has shown sound, and gives the highest value seen within the wait. */
export function sounds(page, timeout = 60_000) {
  return page.waitForFunction(() => Number(document.getElementById('reply-level').getAttribute('aria-valuenow')) > 20, null, { timeout });
}

/** Waits for words of one side, `user` or `model`, and gives the whole entry's text. */
export async function said(page, who, pattern, timeout = 60_000) {
  const entry = page.locator(`.entry.${who}`, { hasText: pattern }).first();
  await entry.waitFor({ timeout });
  return entry.innerText();
}
