// The service refuses, sends away and gives tokens. `live` keeps the real one's times; for `hasty` its clocks go a
// hundred times as fast.

import assert from 'node:assert/strict';
import { said, sleep, sound } from './live.mjs';

const SCALE = 100;
const SPENT = [1011, 'Token has been used too many times'];
const EXPIRED = [1011, 'Token has expired'];
const ARGUMENT = 'Request contains an invalid argument';

const voice = (voiceName) => ({ speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName } } } });
const inSeconds = (seconds) => new Date(Date.now() + 1000 * seconds).toISOString();

/** Makes the check that this setup is refused with a code and a reason that begins so. */
const refused = (code, reason, config, options) => async (live) => {
  const [found, told] = await live.refusal(config, options);
  assert.equal(found, code);
  assert.equal(told.slice(0, reason.length), reason);
  assert(Buffer.byteLength(told) <= 123);
};

export const CHECKS = {
  an_unknown_model: refused(1008, 'models/gemini-9 is not found for API version v1beta', {}, { model: 'gemini-9' }),
  an_unknown_handle: refused(1008, 'BidiGenerateContent session not found', { sessionResumption: { handle: 'none' } }),
  an_illegal_option: refused(1007, ARGUMENT, { thinkingConfig: { thinkingBudget: 1 } }),
  a_missing_option: refused(1007, ARGUMENT, {}, { model: 'gemini-3.8-live-extended-thinking' }),
  an_unknown_voice: refused(1007, ARGUMENT, voice('kore')),
  a_removed_option: refused(1007, ARGUMENT, { enableAffectiveDialog: true }),
  silence_of_a_proactive_model: refused(1007, ARGUMENT, { proactivity: { proactiveAudio: false } }),
  text_as_modality: refused(1007, ARGUMENT, { responseModalities: ['TEXT'] }),
  code_execution: refused(1007, ARGUMENT, { tools: [{ codeExecution: {} }] }),
  url_context: refused(1007, ARGUMENT, { tools: [{ urlContext: {} }] }),

  async a_session_that_still_has_a_socket(live) {
    const talk = await live.open({ sessionResumption: {} });
    const handle = await talk.handle();
    const told = await live.refusal({ sessionResumption: { handle } });
    assert.deepEqual(told, [1011, 'The service is currently unavailable.']);
    talk.close();
  },

  async a_message_that_may_not_be_sent(live) {
    const talk = await live.open();
    talk.session.sendRealtimeInput({ activityStart: {} });
    assert.equal((await talk.end())[0], 1007);
  },

  async content_out_of_time(live) {
    const talk = await live.open({}, { model: 'gemini-3.1-flash-live-preview' });
    talk.session.sendClientContent({ turns: 'Hello' });
    assert.equal((await talk.end())[0], 1007);
  },

  async the_end_of_a_connection_is_announced(_live, hasty) {
    const begun = Date.now();
    const talk = await hasty.open();
    const seen = await talk.until((message) => message.goAway);
    assert(Math.abs(parseFloat(seen.at(-1).goAway.timeLeft) - 60 / SCALE) < 0.2);
    assert.deepEqual(await talk.end(), [1011, 'Deadline expired before operation could complete.']);
    assert((Date.now() - begun) / 1000 > 600 / SCALE - 0.5);
  },

  async a_token_opens_one_session_and_lets_it_go_on(live) {
    const client = await live.holder();
    const talk = await live.open({ sessionResumption: {} }, { client });
    assert(said(await talk.ask('Hello')));
    const handle = await talk.handle();
    talk.close();
    await talk.end();
    assert.deepEqual(await live.refusal({}, { client }), SPENT);
    const again = await live.open({ sessionResumption: { handle } }, { client });
    assert.match(said(await again.ask('What did I ask you?')), /hello/i);
    again.close();
  },

  async a_forged_token(live) {
    const client = live.client('v1alpha', `auth_tokens/${'0'.repeat(64)}`);
    const [code, reason] = await live.refusal({}, { client });
    assert.equal(code, 1008);
    assert.match(reason, /^Method doesn't allow unregistered callers/);
  },

  async a_token_too_old_for_a_new_session(_live, hasty) {
    const client = await hasty.holder({ uses: 0 });
    await sleep(60 / SCALE + 0.1);
    assert.deepEqual(await hasty.refusal({}, { client }), EXPIRED);
  },

  async a_token_that_expires_in_a_session(_live, hasty) {
    const soon = inSeconds(2 * SCALE);
    const client = await hasty.holder({ uses: 0, expireTime: soon, newSessionExpireTime: soon });
    const talk = await hasty.open({}, { client });
    assert.deepEqual(await talk.end(), [1011, 'auth token has expired']);
    assert.deepEqual(await hasty.refusal({}, { client }), EXPIRED);
  },

  async a_locked_token_keeps_its_own_setup(live) {
    const config = { responseModalities: ['AUDIO'], systemInstruction: 'Be brief.' };
    const client = await live.holder({ uses: 0, liveConnectConstraints: { model: 'gemini-3.8-live', config } });
    for (const model of ['gemini-3.8-live', 'gemini-9']) {
      // The client's is ignored, good or bad, and the token asks for no transcripts.
      const talk = await live.open({ enableAffectiveDialog: true }, { client, model });
      const messages = await talk.ask('Hello');
      assert(sound(messages).length);
      assert.equal(said(messages), '');
      talk.close();
    }
  },

  async a_partly_locked_token_leaves_the_rest_to_the_client(live) {
    const config = { responseModalities: ['AUDIO'], systemInstruction: 'Be brief.' };
    const client = await live.holder({
      uses: 0,
      liveConnectConstraints: { model: 'gemini-3.8-live', config },
      lockAdditionalFields: ['topK', 'inputAudioTranscription'],
    });
    const talk = await live.open({ topK: -1 }, { client, model: 'gemini-9' });
    assert(said(await talk.ask('Hello')));
    talk.close();
    const [code, reason] = await live.refusal({ temperature: 99 }, { client });
    assert.equal(code, 1007);
    assert.match(reason, /temperature/);
  },

  async a_token_that_lives_too_long(live) {
    const error = await live.holder({ expireTime: inSeconds(21 * 3600) }).catch((found) => found);
    assert.equal(error.name, 'ApiError');
    assert.equal(error.status, 400);
    assert.match(error.message, /Maximum lifetime is 20h/);
  },

  async a_constrained_method_without_a_token(live) {
    const client = live.client('v1alpha', 'auth_tokens/');
    assert.equal((await live.refusal({}, { client }))[0], 1008);
  },
};
