/** The Live session of the page, without a socket: frames, turns, what is kept for a replay, what follows a loss. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Ear } from '../../../actors/gateway/static/live/ear.js';
import { isLink } from '../../../actors/gateway/static/live/grounding.js';
import { Kept } from '../../../actors/gateway/static/live/kept.js';
import { decide, delay } from '../../../actors/gateway/static/live/recovery.js';
import { LiveSession } from '../../../actors/gateway/static/live/session.js';
import { decode, encode, fromBase64, toBase64 } from '../../../actors/gateway/static/live/wire.js';

const BLOCK = 640;
const block = (value = 0) => new Int16Array(BLOCK).fill(value);
const frame = (message) => JSON.stringify(message);
const audio = (value = 1) => ({
  serverContent: { modelTurn: { parts: [{ inlineData: { mimeType: 'audio/pcm;rate=24000', data: toBase64(new Uint8Array([value, 0])) } }] } },
});

/** Opens a session and gives a way to tell it what the service says. */
function opened({ takesHistory = true } = {}) {
  const session = new LiveSession();
  session.dialling('test');
  session.linked({ resumed: false, takesHistory });
  let now = 100;
  const told = (message, at = now) => decode(frame(message)).flatMap((signal) => session.receive(signal, at));
  return { session, told, wait: (seconds) => (now += seconds) };
}

const done = (effects) => effects.map((effect) => effect.do ?? effect.event);
function sent(session) {
  const commands = [];
  for (let command = session.next(); command; command = session.next()) commands.push(command);
  return commands;
}

test('base64 survives both alphabets, with and without padding', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(fromBase64(toBase64(bytes)), bytes);
  const urlSafe = Buffer.from(bytes).toString('base64url');
  assert.deepEqual(fromBase64(urlSafe), bytes);
});

test('a frame with several fields says interruption first and the end last', () => {
  const signals = decode(frame({
    usageMetadata: { totalTokenCount: 3 },
    serverContent: { turnComplete: true, modelTurn: { parts: [{ text: 'x' }] }, interrupted: true, newField: { a: 1 } },
  }));
  assert.deepEqual(signals.map(({ type }) => type), ['interrupted', 'outputText', 'turnComplete', 'usage']);
});

test('what is no message, malformed or unknown is left alone', () => {
  for (const text of ['', 'no JSON', '[]', 'null', '{}', '{"brandNew":{"a":1}}']) assert.deepEqual(decode(text), []);
  const broken = { serverContent: { modelTurn: { parts: [{ inlineData: { data: '***' } }] }, turnComplete: true } };
  assert.deepEqual(decode(frame(broken)).map(({ type }) => type), ['turnComplete']);
  assert.deepEqual(decode('{"goAway":{"timeLeft":"soon"}}'), []);
  assert.deepEqual(decode('{"serverContent":{"modelTurn":{"parts":[{"text":"plan","thought":true}]}}}'), []);
});

test('commands are the documented frames', () => {
  assert.deepEqual(JSON.parse(encode({ do: 'audio', samples: Int16Array.of(-1) })), {
    realtimeInput: { audio: { mimeType: 'audio/pcm;rate=16000', data: '//8=' } },
  });
  assert.deepEqual(JSON.parse(encode({ do: 'toolResponse', id: '1', name: 'f', response: { a: 1 } })), {
    toolResponse: { functionResponses: [{ id: '1', name: 'f', response: { a: 1 } }] },
  });
});

test('a turn: words, sound, the end; numbers go on', () => {
  const { session, told } = opened();
  session.say('Hello', 100);
  assert.deepEqual(sent(session), [{ do: 'text', text: 'Hello' }]);
  assert.deepEqual(done(told(audio())), ['play']);
  assert.deepEqual(done(told({ serverContent: { outputTranscription: { text: 'Hi' } } })), ['transcript']);
  assert.deepEqual(done(told({ serverContent: { generationComplete: true } })), ['whole']);
  const end = told({ serverContent: { turnComplete: true } });
  assert.deepEqual(done(end), ['end', 'transcript']);
  assert.equal(end[1].text, 'Hi');
  assert.equal(session.turn, 1);
  assert.ok(session.idle);
  told(audio());
  assert.equal(session.turn, 2);
});

test('extended thinking: a turnComplete in progress is not the end', () => {
  const { session, told } = opened();
  told(audio());
  assert.deepEqual(told({ serverContent: { turnComplete: true, interactionStatus: 'IN_PROGRESS' } }), []);
  told(audio());
  assert.equal(session.turn, 1);
});

test('an interruption flushes at once, what is late is dropped, and the next reply is heard', () => {
  const { session, told } = opened();
  told(audio());
  const cut = told({ serverContent: { interrupted: true } });
  assert.deepEqual(done(cut), ['flush', 'session.state']);
  assert.equal(session.state, 'INTERRUPTED');
  assert.deepEqual(told(audio()), []);
  assert.equal(told({ serverContent: { turnComplete: true } })[0].outcome, 'interrupted');
  assert.equal(session.state, 'CONNECTED');
  assert.deepEqual(done(told(audio())), ['play']);
});

test('a turnComplete that never comes mutes nobody', () => {
  const { told } = opened();
  told(audio());
  told({ serverContent: { interrupted: true } }, 100);
  assert.deepEqual(told(audio(), 100.5), []);
  assert.deepEqual(done(told(audio(), 101.5)), ['end', 'session.state', 'play']);
  const other = opened();
  other.told(audio());
  other.told({ serverContent: { generationComplete: true } });
  other.session.hear(block(), 'start', 101);
  assert.deepEqual(done(other.told(audio(), 103)), ['end', 'play']);
});

test('an interruption between turns and its turnComplete make no turn', () => {
  const { session, told } = opened();
  assert.deepEqual(done(told({ serverContent: { interrupted: true } })), ['flush']);
  assert.deepEqual(told({ serverContent: { turnComplete: true } }), []);
  assert.equal(session.turn, 0);
});

test('tools: each id is answered once, a cancelled one never', () => {
  const { session, told } = opened();
  const calls = { toolCall: { functionCalls: [{ id: 'a', name: 'f', args: { q: 1 } }, { id: 'b', name: 'g' }] } };
  assert.deepEqual(done(told(calls)), ['tool', 'tool']);
  assert.deepEqual(told(calls), []);
  assert.deepEqual(told({ toolCallCancellation: { ids: ['b', 'zz'] } }), [{ do: 'cancel', ids: ['b'] }]);
  assert.equal(session.answer({ id: 'b', response: {} }), false);
  assert.equal(session.answer({ id: 'a', response: { x: 1 } }), true);
  assert.equal(session.answer({ id: 'a', response: { x: 1 } }), false);
  assert.deepEqual(sent(session).map(({ do: what, id }) => [what, id]), [['toolResponse', 'a']]);
});

test('what was said is sent again until it is answered for, and then no more', () => {
  const { session, told } = opened();
  for (let i = 0; i < 50; i++) session.hear(block(0), null, i);
  session.hear(block(1), 'start', 50);
  for (let i = 0; i < 20; i++) session.hear(block(2), null, 51 + i);
  session.hear(block(3), 'end', 71);
  assert.equal(sent(session).length, 72);
  session.lost('cut');
  session.dialling('again');
  const { replayed } = session.linked({ resumed: true });
  assert.equal(replayed, (10 + 22) * 40, 'silence is not sent again, but for a pre-roll');
  const again = sent(session);
  assert.equal(again.length, 32);
  assert.equal(again[10].samples[0], 1);
  told(audio());
  told({ serverContent: { turnComplete: true } });
  session.lost('cut');
  assert.equal(session.linked({ resumed: true }).replayed, 0);
});

test('what is said while nothing is linked is kept, and lost from its beginning only beyond the bound', () => {
  const { session } = opened();
  session.lost('cut');
  session.kept.longest = 50 * BLOCK;
  session.hear(block(1), 'start', 1);
  for (let i = 2; i <= 60; i++) session.hear(block(i), null, i);
  assert.equal(session.next(), undefined);
  assert.equal(session.kept.lostMs, 400);
  session.linked({ resumed: true });
  const [first, ...rest] = sent(session);
  assert.equal(first.samples[0], 11);
  assert.equal(rest.at(-1).samples[0], 60);
});

test('an answer that begins while the user speaks on leaves the new utterance to be answered', () => {
  const kept = new Kept();
  for (let i = 0; i < 30; i++) kept.keep({ samples: block(), onset: i === 2 || i === 20 });
  for (let i = 0; i < 25; i++) kept.advance();
  kept.answerBegins(true);
  kept.settle();
  assert.equal(kept.items.length, 20, 'from ten blocks ahead of the second onset');
});

test('a fresh session is told the exchange, voids the calls, and forgets the handle', () => {
  const { session, told } = opened();
  session.say('One', 100);
  told({ serverContent: { outputTranscription: { text: 'Two' } } });
  told({ serverContent: { turnComplete: true } });
  told({ sessionResumptionUpdate: { newHandle: 'h', resumable: true } });
  told({ toolCall: { functionCalls: [{ id: 'a', name: 'f' }] } });
  assert.equal(session.handle, 'h');
  session.lost('cut');
  assert.deepEqual(done(session.linked({ resumed: false }).effects), ['cancel', 'session.state']);
  assert.equal(session.handle, null);
  assert.deepEqual(sent(session)[0].lines, [{ who: 'user', text: 'One' }, { who: 'model', text: 'Two' }]);
});

test('a resumed session is told only what came after its handle', () => {
  const { session, told } = opened();
  const turn = (text) => {
    told({ serverContent: { outputTranscription: { text } } });
    told({ serverContent: { turnComplete: true } });
  };
  turn('One');
  told({ sessionResumptionUpdate: { newHandle: 'h', resumable: true } });
  turn('Two');
  told({ sessionResumptionUpdate: { resumable: false } });
  session.lost('cut');
  session.linked({ resumed: true });
  assert.deepEqual(sent(session), [{ do: 'history', lines: [{ who: 'model', text: 'Two' }] }]);
});

test('a reply that was cut short by a loss fails; one that had come whole plays on', () => {
  const { session, told } = opened();
  told(audio());
  assert.deepEqual(session.lost('cut')[0], { do: 'flush', turn: 1, outcome: 'failed' });
  session.linked({ resumed: true });
  told(audio());
  told({ serverContent: { generationComplete: true } });
  assert.deepEqual(session.lost('cut')[0], { do: 'end', turn: 2, outcome: 'completed' });
});

test('a service that leaves two questions without a sign is mute; one that gave a sign is not', () => {
  const { session, told } = opened();
  session.say('a', 100);
  session.say('b', 101);
  assert.equal(session.mute(105), false);
  assert.equal(session.mute(110), true);
  assert.equal(session.mute(111), false, 'another link gets its chance');
  session.say('c', 112);
  told({ serverContent: { inputTranscription: { text: 'c' } } }, 113);
  session.say('d', 114);
  assert.equal(session.mute(130), false);
});

test('the six states in their order', () => {
  const session = new LiveSession();
  const states = [
    ...session.dialling('x'), ...session.linked({ resumed: false }).effects, ...session.lost('y'),
    ...session.dialling('z'), ...session.close('bye'), ...session.dialling('never'),
  ].map(({ to }) => to);
  assert.deepEqual(states, ['CONNECTING', 'CONNECTED', 'DISCONNECTED', 'CONNECTING', 'CLOSING', 'CLOSED']);
});

test('sources are numbered through all messages of a turn, and links lead to the web alone', () => {
  const { told } = opened();
  const chunk = (uri) => ({ web: { uri, title: 'T' } });
  told(audio());
  const grounded = (chunks) => told({ serverContent: { groundingMetadata: { groundingChunks: chunks, searchEntryPoint: { renderedContent: '<b>x</b>' } } } });
  assert.deepEqual(grounded([chunk('https://a.example/')])[0].sources.map(({ number }) => number), [1]);
  const [more] = grounded([chunk('https://a.example/'), chunk('https://b.example/'), chunk('javascript:alert(1)')]);
  assert.deepEqual(more.sources.map(({ number, uri }) => [number, uri]), [[1, 'https://a.example/'], [2, 'https://b.example/'], [3, '']]);
  assert.equal(more.suggestions, '<b>x</b>');
  assert.deepEqual(grounded([chunk('https://a.example/')]), []);
  assert.equal(isLink('data:text/html,x'), false);
});

test('sources are those that the assistant itself finds, of every kind, and what they support', () => {
  const { told } = opened();
  told(audio());
  const groundingChunks = [
    { retrievedContext: { uri: 'gs://bucket/x', title: 'A  file' } },
    { maps: { uri: 'https://maps.example/?cid=1', title: 'A café' } },
    { web: { uri: 'https://c.example/x', domain: 'c.example' } },
    { image: { sourceUri: 'https://d.example' } },
    { maps: { uri: 'https://maps.example/?cid=1', title: 'again' } },
    null,
  ];
  const groundingSupports = [{ segment: { text: 'It is.' }, groundingChunkIndices: [4, 1, 0, 3] }, { segment: {} }];
  const [event] = told({ serverContent: { groundingMetadata: { groundingChunks, groundingSupports } } });
  assert.deepEqual(event.sources, [
    { number: 1, title: 'A file', uri: '' },
    { number: 2, title: 'A café', uri: 'https://maps.example/?cid=1' },
    { number: 3, title: 'c.example', uri: 'https://c.example/x' },
  ]);
  assert.deepEqual(event.supports, [{ text: 'It is.', numbers: [2, 1] }]);
});

test('losses: what follows which', () => {
  const loss = { code: 1006, reason: '', phase: 'session', handle: true, attempt: 1, downFor: 0, known: true };
  const action = (changes) => decide({ ...loss, ...changes }, 0).action;
  assert.equal(action({}), 'resume');
  assert.equal(action({ handle: false }), 'fresh');
  assert.equal(action({ code: 1011, reason: 'Deadline expired before operation could complete.' }), 'resume');
  assert.equal(action({ code: 1011, reason: 'auth token has expired' }), 'renew');
  assert.equal(action({ code: 1011, reason: 'Token has been used too many times', attempt: 4 }), 'give up');
  assert.equal(action({ code: 1008, reason: 'BidiGenerateContent session not found', phase: 'setup' }), 'fresh');
  assert.equal(action({ code: 1007, reason: 'bad field', phase: 'setup', handle: false }), 'give up');
  assert.equal(action({ code: 1000 }), 'end');
  assert.equal(action({ downFor: 16 * 60 }), 'give up');
  assert.equal(action({ known: false, downFor: 21 }), 'give up');
  assert.equal(action({ code: 1011, phase: 'setup', attempt: 4 }), 'fresh');
});

test('waits double and are capped', () => {
  assert.deepEqual([1, 2, 3, 4, 40].map((attempt) => delay(attempt, 0)), [0, 0.5, 1, 2, 15]);
});

test('the ear hears speech over a steady noise, and when it ends', () => {
  const ear = new Ear();
  let at = 0;
  const hear = (rms, blocks) => Array.from({ length: blocks }, () => ear.hear(rms, (at += 0.04))).filter(Boolean);
  assert.deepEqual(hear(0.0005, 25), []);
  assert.deepEqual(hear(0.05, 10), ['start']);
  const ended = at;
  assert.deepEqual(hear(0.0005, 25), ['end']);
  assert.ok(Math.abs(ear.lastAt - ended) < 1e-9);
  hear(0.01, 1500);
  assert.equal(ear.speaking, false, 'a fan is no speech for ever');
  assert.deepEqual(hear(0.1, 5), ['start']);
});
