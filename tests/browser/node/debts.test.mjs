/** What a direct session owes the service over a break: tool answers that may not have arrived, calls it never made. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { LiveSession } from '../../../actors/gateway/static/live/session.js';

const ask = (session, id) => session.receive({ type: 'calls', calls: [{ id, name: 'f', args: {} }] }, 1);
const save = (session, handle) => session.receive({ type: 'handle', handle, resumable: true }, 1);

function drained(session) {
  const commands = [];
  for (let command = session.next(); command; command = session.next()) commands.push(command);
  return commands;
}

const responses = (session) => drained(session).filter((command) => command.do === 'toolResponse').map(({ id }) => id);

function opened() {
  const session = new LiveSession();
  session.dialling('test');
  session.linked({ resumed: false });
  return session;
}

function resumed(session) {
  session.lost('cut');
  session.dialling('again');
  return session.linked({ resumed: true }).effects;
}

test('an answer that was written, and of which no handle tells, is written again', () => {
  const session = opened();
  ask(session, 'a');
  save(session, 'h1');
  session.answer({ id: 'a', response: {} });
  assert.deepEqual(responses(session), ['a']);
  resumed(session);
  assert.deepEqual(responses(session), ['a']);
  save(session, 'h2');
  resumed(session);
  assert.deepEqual(responses(session), []);
});

test('a call that came after the handle is void: the resumed session never made it', () => {
  const session = opened();
  save(session, 'h1');
  ask(session, 'a');
  ask(session, 'b');
  session.answer({ id: 'a', response: {} });
  assert.deepEqual(resumed(session).filter((effect) => effect.do === 'cancel'), [{ do: 'cancel', ids: ['b'] }]);
  assert.deepEqual(responses(session), []);
  assert.equal(session.answer({ id: 'b', response: {} }), false);
});

test('the exchange that is remembered is bounded, typed or spoken', () => {
  const session = opened();
  for (let i = 0; i < 1000; i++) session.say(`line ${i}`, i);
  session.receive({ type: 'handle', handle: 'h', resumable: true }, 1);
  assert.equal(session.lines.length, 200);
  session.say('one more', 1);
  assert.equal(session.known, 199);
});
