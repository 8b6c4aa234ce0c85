/** A relayed conversation over sockets in memory: what is refused, what is tried again, what a new one begins with. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { soundFrame } from '../../../actors/gateway/static/relay/frames.js';
import { PROBLEMS } from '../../../actors/gateway/static/ui/words.js';
import { Relay } from '../../../actors/gateway/static/relay/relay.js';

globalThis.location ??= new URL('http://localhost/');
globalThis.sessionStorage ??= { setItem() {}, getItem: () => null, removeItem() {} };

class Far {
  static all = [];

  constructor() {
    Object.assign(this, { readyState: 0, bufferedAmount: 0, sent: [] });
    Far.all.push(this);
  }

  send(frame) {
    if (typeof frame === 'string') this.sent.push(JSON.parse(frame));
  }

  close() {}

  open() {
    this.readyState = 1;
    this.onopen();
  }

  says(message) {
    this.onmessage({ data: typeof message === 'string' ? message : message.buffer ?? JSON.stringify(message) });
  }

  breaks(code, reason = '') {
    this.onclose({ code, reason });
  }
}

const WELCOME = { type: 'welcome', session: 's', secret: 'x', kept_for: 120, mic: 0, play: 0, stale_before: 0, said: 0 };
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A conversation that stands, and what it says of its failure. */
async function standing(t) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  Far.all = [];
  const failures = [];
  const speaker = { flush: async () => 0, push() {}, end() {}, duck() {} };
  const relay = new Relay({ speaker, tell() {}, failed: (error) => failures.push(error), clock: () => 0, Socket: Far });
  const started = relay.start();
  Far.all[0].open();
  Far.all[0].says(WELCOME);
  await started;
  return { relay, failures };
}

/** Lets the wait before the next attempt pass, and gives its socket. */
async function next(t) {
  await settled();
  t.mock.timers.tick(20_000);
  await settled();
  return Far.all.at(-1);
}

test('a new conversation that is refused after the old one is over says so', async (t) => {
  const { failures } = await standing(t);
  Far.all[0].breaks(1006);
  (await next(t)).breaks(4404, 'this conversation is over');
  (await next(t)).breaks(4401, 'Nobody is signed in');
  await settled();
  assert.deepEqual(failures.map(({ kind }) => kind), ['not-signed-in']);
});

test('a gateway that is not ready for a moment does not cost the conversation', async (t) => {
  const { relay, failures } = await standing(t);
  Far.all[0].breaks(1006);
  (await next(t)).breaks(4503, 'What the gateways share cannot be reached; retry after 5');
  const socket = await next(t);
  socket.open();
  assert.equal(socket.sent[0].session, 's');
  socket.says(WELCOME);
  assert.deepEqual([failures, relay.ready], [[], true]);
});

test('a page that was not welcomed yet is told that the gateway is not ready', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  Far.all = [];
  const relay = new Relay({ speaker: {}, tell() {}, failed() {}, clock: () => 0, Socket: Far });
  const started = relay.start();
  Far.all[0].breaks(4503, 'not yet; retry after 5');
  await assert.rejects(started, { kind: 'not-ready', retryAfter: 5 });
});

test('what the old conversation played counts for nothing in a new one', async (t) => {
  const { relay } = await standing(t);
  Far.all[0].says(soundFrame(0, new Int16Array(96_000)));
  relay.report({ position: 90_000, underruns: 0 });
  Far.all[0].breaks(1006);
  (await next(t)).breaks(4404, 'this conversation is over');
  const socket = await next(t);
  socket.open();
  socket.says(WELCOME);
  relay.report({ position: 90_000, underruns: 0 }); // the speaker tells where it was flushed
  socket.says(soundFrame(0, new Int16Array(2400)));
  relay.report({ position: 1200, underruns: 0 });
  assert.equal(Math.max(...socket.sent.filter(({ type }) => type === 'heard').map(({ position }) => position)), 1200);
});

for (const [code, kind] of [[4001, 'revoked'], [4002, 'session-over'], [4422, 'not-allowed'], [4429, 'too-often']]) {
  test(`a conversation that is closed with ${code} is ${kind}`, async (t) => {
    const { failures } = await standing(t);
    Far.all[0].breaks(code, 'why; retry after 7');
    await settled();
    assert.deepEqual(failures.map((failure) => [failure.kind, failure.retryAfter]), [[kind, 7]]);
    assert.ok(PROBLEMS[kind], 'there are words for it');
  });
}
