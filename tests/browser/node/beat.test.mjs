/** Signs of life of a direct conversation: what the gateway says to them, and what the page makes of it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Talk } from '../../../actors/gateway/static/talk.js';

const TOKEN = {
  token: 't', ws_url: 'ws://live/', expires_in_s: 1800, start_in_s: 60, session_in_s: 14400, model: 'm', setup: {},
  session: 's', session_secret: 'x',
};

/** A service that takes every setup. */
class Live {
  bufferedAmount = 0;
  readyState = 1;

  constructor() {
    queueMicrotask(() => this.onopen());
  }

  send() {
    queueMicrotask(() => this.onmessage?.({ data: '{"setupComplete": {}}' }));
  }

  close() {
    this.onclose?.({ code: 1000, reason: '' });
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A conversation whose gateway answers a sign of life so; gives what it says of its failure. */
async function beaten(t, status, slug) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  globalThis.document = { visibilityState: 'hidden', addEventListener() {}, removeEventListener() {} };
  Object.assign(globalThis, { addEventListener() {}, removeEventListener() {}, WebSocket: Live });
  globalThis.fetch = async (path) => {
    if (path === '/api/token') return new Response(JSON.stringify(TOKEN), { status: 201 });
    return new Response(JSON.stringify({ type: `/docs#${slug}`, detail: 'why' }), { status });
  };
  const talk = new Talk({ config: { mode: 'direct', limits: { beat_s: 30 } }, wish: {}, tell() {}, level() {} });
  talk.speaker = { open: async () => {}, flush: async () => 0, end() {}, push() {} };
  const failures = [];
  talk.onfailed = (error) => failures.push(error.kind);
  await talk.begin('');
  t.mock.timers.tick(30_000);
  await settled();
  return failures;
}

for (const slug of ['session-over', 'revoked']) {
  test(`it ends when the session is ${slug}`, async (t) => {
    assert.deepEqual(await beaten(t, 401, slug), [slug]);
  });
}

for (const [status, slug] of [[503, 'not-ready'], [429, 'too-often'], [401, 'not-signed-in']]) {
  test(`${slug} ends nothing: the Live service goes on`, async (t) => {
    assert.deepEqual(await beaten(t, status, slug), []);
  });
}
