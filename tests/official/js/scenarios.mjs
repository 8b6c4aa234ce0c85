// Scenarios as the official client meets them: one service each, in the order of SCENARIOS in the test that runs this.

import assert from 'node:assert/strict';
import { has, said, sound } from './live.mjs';

/** Asks for something long, and gives how the session ended. */
async function endOf(live) {
  const talk = await live.open();
  talk.session.sendRealtimeInput({ text: 'Tell me a long story' });
  return talk.end();
}

export const CHECKS = {
  async a_broken_line(cut) {
    assert.deepEqual(await endOf(cut), [1006, '']);
  },

  async a_fault_of_the_service(_cut, fault) {
    assert.deepEqual(await endOf(fault), [1011, 'Internal error encountered.']);
  },

  async a_model_that_is_not_served(_cut, _fault, wrong) {
    const [code, reason] = await wrong.refusal();
    assert.equal(code, 1008);
    assert.match(reason, /is not found for API version v1beta/);
  },

  async messages_nobody_knows(_cut, _fault, _wrong, unknown) {
    const talk = await unknown.open();
    talk.session.sendRealtimeInput({ text: 'Hello' });
    const messages = await talk.until((message) => message.serverContent?.turnComplete);
    assert.match(said(messages), /Hello/);
    assert(messages.some((message) => message.serverContent?.brandNewField));
    talk.close();
  },

  async several_parts_in_a_message(_cut, _fault, _wrong, _unknown, parts) {
    const talk = await parts.open();
    const messages = await talk.ask('Count to five');
    assert(messages.some((message) => message.serverContent?.modelTurn?.parts.length > 1));
    assert(sound(messages).length > 24_000);
    talk.close();
  },

  async an_interruption_of_nobody(_cut, _fault, _wrong, _unknown, _parts, stray) {
    const talk = await stray.open();
    assert(has(await talk.ask('Count to five'), 'interrupted'));
    assert.match(said(await talk.ask('Hello')), /Hello/);
    talk.close();
  },
};
