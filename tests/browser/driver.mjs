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
const LOUD = 0.01; // level of speech at the output, of 1
const SILENCE = 400; // milliseconds, longer than any pause within a reply
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** Opens a browser whose microphone is a WAV file, once through; `close()` ends it. `width` 360 is a phone; `light` is light or dark. */
export async function browse(microphone, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  const heard = microphone ? [`--use-file-for-fake-audio-capture=${microphone}%noloop`] : [];
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [...FLAGS, ...heard, ...(options.flags ?? [])],
    permissions: options.permissions ?? ['microphone'],
    ...(options.width === 360 ? PHONE : { viewport: { width: 1280, height: 800 } }),
    colorScheme: options.light ?? 'light',
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
    // What leaves the page for the loudspeaker: the level, fifty times a second, as measured right before the output.
    globalThis.output = [];
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (target, ...ports) {
      if (target !== this.context.destination) return connect.call(this, target, ...ports);
      const meter = this.context.createAnalyser();
      const block = new Float32Array(meter.fftSize);
      setInterval(() => {
        meter.getFloatTimeDomainData(block);
        const rms = Math.sqrt(block.reduce((sum, sample) => sum + sample * sample, 0) / block.length);
        globalThis.output.push({ at: performance.now(), rms });
      }, 20);
      connect.call(this, meter);
      return connect.call(meter, target);
    };
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

/** Waits until sound leaves the page for the loudspeaker, and the page's own meter shows it. */
export async function sounds(page, timeout = 60_000) {
  await page.waitForFunction((loud) => globalThis.output.at(-1)?.rms > loud, LOUD, { timeout });
  await page.waitForFunction(() => Number(document.getElementById('reply-level').getAttribute('aria-valuenow')) > 20, null, { timeout });
}

/** Has the page remember when its transcript first shows this, with these words, on the clock of the output's level. */
export function watch(page, selector, words) {
  return page.evaluate(([wanted, text]) => {
    const found = () => [...document.querySelectorAll(wanted)].some((entry) => entry.textContent.includes(text));
    const look = () => (globalThis.shownAt ??= found() ? performance.now() : undefined);
    new MutationObserver(look).observe(document.getElementById('transcript'), { subtree: true, childList: true, attributes: true });
  }, [selector, words]);
}

/** Tells, of the moment that `watch` saw: how loud it was within three seconds before, and when it was silent, in ms from then. */
export function around(page) {
  return page.evaluate(([loud, stretch]) => {
    const { shownAt, output } = globalThis;
    const before = output.filter(({ at }) => at > shownAt - 3000 && at <= shownAt).map(({ rms }) => rms);
    const after = output.filter(({ at }) => at > shownAt - 2000);
    const silent = after.find(({ at }) => {
      const within = after.filter((one) => one.at >= at && one.at < at + stretch);
      return within.at(-1).at - at > stretch - 100 && within.every(({ rms }) => rms < loud / 10);
    });
    return { loudest: Math.max(0, ...before), silentAfter: silent ? silent.at - shownAt : null };
  }, [LOUD, SILENCE]);
}

/** Waits for words of one side, `user` or `model`, and gives the whole entry's text. */
export async function said(page, who, pattern, timeout = 60_000) {
  const entry = page.locator(`.entry.${who}`, { hasText: pattern }).first();
  await entry.waitFor({ timeout });
  return entry.innerText();
}
