/** A direct conversation over sockets in memory and under mocked time: losses, goAway, tokens that end. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Direct } from '../../../actors/gateway/static/live/direct.js';

const SOUND = { serverContent: { modelTurn: { parts: [{ inlineData: { mimeType: 'audio/pcm;rate=24000', data: 'AAAA' } }] } } };
const LIFE = 1800;

/** A WebSocket whose far end is the test. */
class Far {
  static all = [];

  constructor(url) {
    Object.assign(this, { url, readyState: 0, bufferedAmount: 0, sent: [], closedWith: null });
    Far.all.push(this);
  }

  static get last() {
    return Far.all.at(-1);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code = 1005) {
    this.breaks(code);
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  says(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  breaks(code = 1006, reason = '') {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.closedWith = code;
    this.onclose?.({ code, reason });
  }

  get setup() {
    return this.sent.find((message) => message.setup)?.setup;
  }

  audio() {
    return this.sent.filter((message) => message.realtimeInput?.audio).length;
  }
}

/** A conversation, its gateway and its time. */
class Scene {
  constructor(t, { life = LIFE, refuse = null, session = Infinity } = {}) {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    Far.all = [];
    const sessionEnds = 1000 + session;
    Object.assign(this, { t, now: 1000, tokens: 0, events: [], played: [], failed: null, refuse });
    const api = {
      token: async (_wish, before) => {
        if (this.refuse) throw this.refuse;
        this.tokens += 1;
        this.renewed = before;
        const name = `token-${this.tokens}`;
        const expires = Math.min(this.now + life, sessionEnds);
        return {
          name, socketUrl: `ws://live/?access_token=${name}`, life: expires - this.now, expires, sessionEnds, startBefore: this.now + 60,
          setup: { model: 'models/m' }, takesHistory: true, session: 's', secret: 'x',
        };
      },
      call: async () => ({ response: { fine: true }, scheduling: null, outcome: 'ok' }),
    };
    const speaker = {
      push: (turn) => this.played.push(turn),
      end: () => {},
      flush: async (turn) => this.played.push(`flush ${turn}`),
    };
    this.direct = new Direct({
      api, speaker, clock: () => this.now, Socket: Far, tell: (event) => this.events.push(event), failed: (error) => (this.failed = error),
    });
  }

  /** Lets so many seconds pass, in small steps, everything that is due done. */
  async pass(seconds) {
    for (let left = seconds; left > 0; left -= 0.25) {
      this.now += 0.25;
      this.t.mock.timers.tick(250);
      await this.settle();
    }
  }

  async settle() {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  async begin() {
    const started = this.direct.start();
    await this.settle();
    this.accept();
    await started;
  }

  /** The service takes the newest socket's setup. */
  accept() {
    Far.last.open();
    Far.last.says({ setupComplete: {} });
  }

  handle(name) {
    Far.last.says({ sessionResumptionUpdate: { newHandle: name, resumable: true } });
  }

  speak(blocks) {
    for (let i = 0; i < blocks; i++) {
      this.now += 0.04;
      this.direct.hear({ samples: new Int16Array(640).fill(1000), rms: 0.05 });
    }
  }

  quiet(blocks) {
    for (let i = 0; i < blocks; i++) {
      this.now += 0.04;
      this.direct.hear({ samples: new Int16Array(640), rms: 0 });
    }
  }

  told(name) {
    return this.events.filter(({ event }) => event === name);
  }
}

test('it begins with a token, a setup and nothing before setupComplete', async (t) => {
  const scene = new Scene(t);
  scene.speak(3);
  await scene.begin();
  const [first, ...rest] = Far.last.sent;
  assert.deepEqual(first, { setup: { model: 'models/m', sessionResumption: {} } });
  assert.equal(Far.last.url, 'ws://live/?access_token=token-1');
  assert.equal(rest.length, 3, 'what was said before is sent behind it');
});

test('a gateway that refuses says why', async (t) => {
  const scene = new Scene(t, { refuse: Object.assign(new Error('too often'), { kind: 'too-often', retryAfter: 9 }) });
  await assert.rejects(scene.direct.start(), { kind: 'too-often', retryAfter: 9 });
  assert.equal(Far.all.length, 0);
});

test('after a break it resumes by handle, and sends again what nothing has answered', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  scene.speak(20);
  scene.quiet(20);
  const before = Far.last;
  before.breaks();
  await scene.settle();
  scene.speak(5);
  assert.equal(Far.all.length, 2);
  scene.accept();
  assert.deepEqual(Far.last.setup.sessionResumption, { handle: 'h1' });
  assert.equal(Far.last.audio(), 45);
  const [resumed] = scene.told('session.resumed');
  assert.equal(resumed.fresh, false);
  assert.ok(resumed.replayed_ms >= 1600);
  assert.equal(scene.tokens, 1, 'the token is good for more than one socket');
});

test('goAway: it leaves at the turn boundary, and closes the old socket first', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  const old = Far.last;
  old.says(SOUND);
  old.says({ goAway: { timeLeft: '50s' } });
  await scene.pass(3);
  assert.equal(Far.all.length, 1, 'not in the middle of a reply');
  old.says({ serverContent: { turnComplete: true } });
  await scene.pass(2);
  assert.equal(old.closedWith, 1000);
  assert.equal(Far.all.length, 2);
  scene.accept();
  assert.deepEqual(Far.last.setup.sessionResumption, { handle: 'h1' });
  assert.equal(scene.failed, null);
});

test('goAway in a turn without end: it leaves ahead of the deadline all the same', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  Far.last.says(SOUND);
  Far.last.says({ goAway: { timeLeft: '10s' } });
  await scene.pass(6);
  assert.equal(Far.all.length, 1);
  await scene.pass(2);
  assert.equal(Far.all.length, 2);
});

test('the token is renewed five minutes before its end, at a turn boundary, without a loss being told', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  await scene.pass(LIFE - 302);
  assert.equal(scene.tokens, 1);
  Far.last.says(SOUND);
  await scene.pass(10);
  assert.equal(Far.all.length, 1, 'the reply is heard out');
  Far.last.says({ serverContent: { turnComplete: true } });
  await scene.pass(2);
  assert.equal(scene.tokens, 2);
  assert.equal(scene.renewed.name, 'token-1', 'it is asked for as a renewal');
  assert.equal(Far.last.url, 'ws://live/?access_token=token-2');
  scene.accept();
  assert.equal(scene.told('error').length, 0);
});

test('near the end of its session the token is renewed no more, and the end is told as such', async (t) => {
  const scene = new Scene(t, { session: LIFE + 600 });
  await scene.begin();
  scene.handle('h1');
  await scene.pass(LIFE - 290);
  assert.equal(scene.tokens, 2);
  scene.accept();
  scene.handle('h2');
  await scene.pass(600 + 280);
  assert.equal(scene.tokens, 2, 'no token could live longer');
  assert.equal(scene.failed, null);
  Far.last.breaks();
  await scene.settle();
  scene.accept();
  assert.equal(scene.tokens, 2, 'it is good for another link, too');
  await scene.pass(12);
  assert.equal(scene.tokens, 2);
  assert.equal(scene.failed.kind, 'session-over');
});

test('a service that never lets go of a turn loses the link before the token ends', async (t) => {
  const scene = new Scene(t, { life: 60 });
  await scene.begin();
  scene.handle('h1');
  Far.last.says(SOUND);
  await scene.pass(56);
  assert.equal(Far.all.length, 2);
});

test('a token that is refused is replaced, and the session resumed', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  Far.last.breaks(1011, 'auth token has expired');
  await scene.settle();
  assert.equal(scene.tokens, 2);
  scene.accept();
  assert.deepEqual(Far.last.setup.sessionResumption, { handle: 'h1' });
});

test('a new session after the token’s first minute takes a new token', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  await scene.pass(90);
  Far.last.breaks();
  await scene.settle();
  assert.equal(scene.tokens, 2);
});

test('a handle the service has forgotten: a fresh session is told the exchange', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.direct.say('Hello');
  Far.last.says({ serverContent: { outputTranscription: { text: 'Hi' }, turnComplete: true } });
  scene.handle('h1');
  Far.last.breaks();
  await scene.settle();
  Far.last.open();
  Far.last.breaks(1008, 'BidiGenerateContent session not found');
  await scene.pass(1);
  scene.accept();
  assert.deepEqual(Far.last.setup.sessionResumption, {});
  const { turns } = Far.last.sent.find((message) => message.clientContent).clientContent;
  assert.deepEqual(turns.map(({ role, parts }) => [role, parts[0].text]), [['user', 'Hello'], ['model', 'Hi']]);
});

test('a setup the service will never take ends it, in words', async (t) => {
  const scene = new Scene(t);
  const started = scene.direct.start();
  await scene.settle();
  Far.last.open();
  Far.last.breaks(1007, 'Request contains an invalid argument.');
  await assert.rejects(started, { kind: 'service', message: 'Request contains an invalid argument.' });
});

test('a service that does not answer is tried again, and waited for longer each time', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('h1');
  Far.last.breaks();
  await scene.settle();
  for (let i = 0; i < 4; i++) {
    Far.last.breaks();
    await scene.pass(0.25);
  }
  const dialled = Far.all.length;
  await scene.pass(8);
  assert.ok(Far.all.length <= dialled + 2);
  assert.equal(scene.failed, null);
});

test('tools run at the gateway, and their answers go back by id', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  Far.last.says({ toolCall: { functionCalls: [{ id: 'c1', name: 'get_weather', args: { city: 'Paris' } }] } });
  await scene.settle();
  const [answer] = Far.last.sent.filter((message) => message.toolResponse);
  assert.deepEqual(answer.toolResponse.functionResponses, [{ id: 'c1', name: 'get_weather', response: { fine: true } }]);
  assert.equal(scene.told('tool.result')[0].outcome, 'ok');
});

test('muted, nothing is sent but the end of the stream; an end closes in order', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.speak(2);
  scene.direct.mute(true);
  scene.speak(5);
  assert.equal(Far.last.audio(), 2);
  assert.ok(Far.last.sent.some((message) => message.realtimeInput?.audioStreamEnd));
  const ending = scene.direct.end();
  await scene.pass(0.5);
  await ending;
  assert.equal(Far.last.closedWith, 1000);
  assert.equal(Far.all.length, 1);
  assert.deepEqual(scene.told('session.state').map(({ to }) => to), ['CONNECTING', 'CONNECTED', 'CLOSING', 'CLOSED']);
});

test('no token and no handle is in anything that is told', async (t) => {
  const scene = new Scene(t);
  await scene.begin();
  scene.handle('handle-secret');
  Far.last.breaks(1006, 'x');
  await scene.settle();
  scene.accept();
  assert.doesNotMatch(JSON.stringify(scene.events), /token-1|handle-secret/);
});
