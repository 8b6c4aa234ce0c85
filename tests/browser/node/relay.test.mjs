/** The relay's side of the page, without a socket: frames, the voice that is kept, what was heard of each turn. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Turns } from '../../../actors/gateway/static/live/turns.js';
import { Tools } from '../../../actors/gateway/static/live/tools.js';
import { read, soundFrame } from '../../../actors/gateway/static/relay/frames.js';
import { Voice } from '../../../actors/gateway/static/relay/voice.js';

const block = (value = 0) => new Int16Array(640).fill(value);

function taken(voice) {
  const positions = [];
  for (let found = voice.next(); found; found = voice.next()) positions.push(found.position);
  return positions;
}

test('a frame of sound survives, with a position beyond 32 bits', () => {
  const frame = soundFrame(2 ** 40, Int16Array.of(1, -2, 3));
  assert.deepEqual(read(frame.buffer), { type: 'sound', position: 2 ** 40, samples: Int16Array.of(1, -2, 3) });
});

test('what is no frame is none', () => {
  for (const data of ['', 'no JSON', 'null', '{}', '{"type":1}', new ArrayBuffer(3)]) assert.equal(read(data), null);
  assert.deepEqual(read('{"type":"pong","number":1}'), { type: 'pong', number: 1 });
});

test('what is said before the welcome is sent behind it', () => {
  const voice = new Voice();
  voice.hear(block());
  voice.hear(block());
  voice.resume(3200);
  assert.deepEqual(taken(voice), [3200, 3840]);
  voice.hear(block());
  assert.deepEqual(taken(voice), [4480]);
});

test('after a loss sending goes on where the gateway says', () => {
  const voice = new Voice();
  voice.resume(0);
  for (let i = 0; i < 5; i++) voice.hear(block());
  taken(voice);
  voice.resume(1280);
  assert.deepEqual(taken(voice), [1280, 1920, 2560]);
});

test('what is settled is let go of, what is not is kept for another gateway', () => {
  const voice = new Voice();
  voice.resume(0);
  for (let i = 0; i < 5; i++) voice.hear(block());
  taken(voice);
  voice.settled(1300);
  voice.resume(0);
  assert.deepEqual(taken(voice), [1280, 1920, 2560]);
});

test('two minutes are kept, and what is lost beyond them is counted', () => {
  const voice = new Voice();
  voice.resume(0);
  for (let i = 0; i < 25 * 121; i++) voice.hear(block());
  assert.equal(voice.lost, 25 * 640);
  assert.equal(taken(voice)[0], 16_000);
});

test('a turn: first sound with its latency, the end when the last sound was heard', () => {
  const turns = new Turns();
  turns.sounds(1, 10);
  assert.deepEqual(turns.heard([{ type: 'began', turn: 1 }], 10.8), [{ event: 'turn.first_audio', turn: 1, latency_ms: 800 }]);
  assert.deepEqual(turns.ends(1, 'completed'), []);
  assert.deepEqual(turns.heard([{ type: 'ended', turn: 1, heard: 24_000 }], 12), [
    { event: 'turn.end', turn: 1, heard_ms: 1000, outcome: 'completed' },
  ]);
});

test('a turn whose sound was heard before its end is told ends with it', () => {
  const turns = new Turns();
  turns.sounds(1, null);
  assert.equal(turns.heard([{ type: 'began', turn: 1 }], 1)[0].latency_ms, null);
  assert.deepEqual(turns.heard([{ type: 'ended', turn: 1, heard: 2400 }], 1), []);
  assert.deepEqual(turns.ends(1, 'completed'), [{ event: 'turn.end', turn: 1, heard_ms: 100, outcome: 'completed' }]);
});

test('an interruption tells what was heard and how soon it was silent', () => {
  const turns = new Turns();
  turns.sounds(3, 1);
  turns.cut(3, 'interrupted', 5);
  assert.deepEqual(turns.heard([{ type: 'flushed', turn: 3, heard: 4800, sounding: 3 }], 5.01), [
    { event: 'turn.interrupted', turn: 3, heard_ms: 200, silent_after_ms: 10 },
    { event: 'turn.end', turn: 3, heard_ms: 200, outcome: 'interrupted' },
  ]);
  assert.deepEqual(turns.ends(4, 'completed'), [{ event: 'turn.end', turn: 4, heard_ms: 0, outcome: 'completed' }]);
});

/** Tools whose gateway answers when the test says so. */
function toolbox() {
  const told = [];
  const answers = [];
  const waiting = new Map();
  const api = {
    call: (name, { id }, token, signal) =>
      new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        signal.addEventListener('abort', () => reject(new Error('cancelled')));
      }),
  };
  const tools = new Tools(api, (event) => told.push(event), () => 0, (answer) => answers.push(answer));
  return { tools, told, answers, waiting };
}

test('a tool is answered with what the gateway says, and its outcome is told', async () => {
  const { tools, told, answers, waiting } = toolbox();
  const call = tools.call({ id: 'a', name: 'f', args: {} }, {});
  waiting.get('a').resolve({ response: { x: 1 }, scheduling: null, outcome: 'timeout' });
  await call;
  assert.deepEqual(answers, [{ id: 'a', response: { x: 1 }, scheduling: null }]);
  assert.deepEqual(told.map(({ event, outcome }) => [event, outcome]), [['tool.call', undefined], ['tool.result', 'timeout']]);
});

test('a gateway that fails is an answer too; a cancelled call has none', async () => {
  const { tools, told, answers, waiting } = toolbox();
  const failing = tools.call({ id: 'a', name: 'f', args: {} }, {});
  const cancelled = tools.call({ id: 'b', name: 'g', args: {} }, {});
  waiting.get('a').reject(new Error('the gateway cannot be reached'));
  tools.cancel(['b', 'unknown']);
  await Promise.all([failing, cancelled]);
  assert.deepEqual(answers, [{ id: 'a', response: { error: 'the gateway cannot be reached' } }]);
  assert.deepEqual(told.filter(({ outcome }) => outcome).map(({ id, outcome }) => [id, outcome]), [['a', 'error'], ['b', 'cancelled']]);
});
