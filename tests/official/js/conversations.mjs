// Conversations with the embedded service: each check is one, or a few, and throws where something is not as it should.

import assert from 'node:assert/strict';
import { has, heard, said, sound } from './live.mjs';

const RATE = 24_000;
const RESULT = { output: { temperature_c: 21, condition: 'sunny' } };
const LONG = 'Count from one to one hundred';

const weather = (behavior) => ({
  tools: [
    {
      functionDeclarations: [
        {
          name: 'get_weather',
          description: 'The weather in a city.',
          ...(behavior && { behavior }),
          parameters: { type: 'OBJECT', properties: { city: { type: 'STRING' } }, required: ['city'] },
        },
      ],
    },
  ],
});

const RICH = {
  ...weather(),
  temperature: 0.5,
  topP: 0.9,
  topK: 40,
  maxOutputTokens: 1000,
  seed: 3,
  mediaResolution: 'MEDIA_RESOLUTION_LOW',
  speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Puck' } }, languageCode: 'en-US' },
  systemInstruction: 'Be brief.',
  sessionResumption: {},
  contextWindowCompression: { triggerTokens: '25600', slidingWindow: { targetTokens: '12800' } },
  realtimeInputConfig: {
    automaticActivityDetection: { startOfSpeechSensitivity: 'START_SENSITIVITY_LOW', silenceDurationMs: 500 },
    activityHandling: 'NO_INTERRUPTION',
    turnCoverage: 'TURN_INCLUDES_ALL_INPUT',
  },
  proactivity: { proactiveAudio: true },
};

/** Asks for something long, and gives the session in the middle of the answer. */
async function interruptible(live, config) {
  const talk = await live.open(config);
  talk.session.sendRealtimeInput({ text: LONG });
  await talk.until((message) => has([message], 'modelTurn'));
  return talk;
}

async function isAnswered(live, version) {
  const talk = await live.open({}, { client: live.client(version) });
  const messages = await talk.ask('Hello');
  assert.match(said(messages), /Hello/);
  const pcm = sound(messages);
  assert(pcm.length > RATE);
  assert(Math.max(...new Int16Array(pcm.buffer, pcm.byteOffset, RATE / 2)) > 1000);
  assert.equal(messages.at(-1).serverContent.interactionStatus, 'IDLE');
  talk.close();
}

async function isCalled(live, behavior) {
  const talk = await live.open(weather(behavior));
  talk.session.sendRealtimeInput({ text: 'What is the weather in Paris?' });
  const [call] = await talk.called();
  assert.deepEqual([call.name, call.args.city], ['get_weather', 'Paris']);
  talk.answer(call, RESULT);
  assert.match(said(await talk.turn()), /21/);
  talk.close();
}

export const CHECKS = {
  text_is_answered_in_sound_and_words: (live) =>
    Promise.all(['v1', 'v1beta', 'v1alpha'].map((version) => isAnswered(live, version))),

  async speech_is_heard_and_both_sides_are_written_down(live, speech) {
    const talk = await live.open();
    talk.say(Buffer.concat([speech, Buffer.alloc(2 * RATE)]), RATE);
    const messages = await talk.turn();
    assert.match(heard(messages), /^what is the weather/);
    assert(said(messages));
    assert(sound(messages).length > RATE);
    talk.close();
  },

  async usage_adds_up(live) {
    const talk = await live.open();
    const messages = await talk.ask('Hello');
    const usage = messages.at(-1).usageMetadata;
    assert(Math.abs(usage.responseTokenCount - (sound(messages).length / 2 / RATE) * 25) <= 1);
    assert.equal(usage.totalTokenCount, usage.promptTokenCount + usage.responseTokenCount);
    assert.deepEqual(usage.responseTokensDetails, [{ modality: 'AUDIO', tokenCount: usage.responseTokenCount }]);
    const later = (await talk.ask('Hello')).at(-1).usageMetadata;
    assert(later.promptTokenCount > usage.promptTokenCount);
    talk.close();
  },

  async a_function_is_answered(live) {
    await Promise.all([undefined, 'BLOCKING', 'NON_BLOCKING'].map((behavior) => isCalled(live, behavior)));
  },

  async a_function_that_runs_on_does_not_stop_the_talk(live) {
    const talk = await live.open(weather('NON_BLOCKING'));
    talk.session.sendRealtimeInput({ text: 'What is the weather in Paris?' });
    const [call] = await talk.called();
    assert.match(said(await talk.ask('Hello')), /Hello/);
    talk.answer(call, RESULT, { scheduling: 'WHEN_IDLE' });
    assert.match(said(await talk.turn()), /21/);
    talk.close();
  },

  async an_answer_interrupts_or_says_nothing(live) {
    const talk = await live.open(weather('NON_BLOCKING'));
    talk.session.sendRealtimeInput({ text: 'What is the weather in Paris?' });
    const [call] = await talk.called();
    talk.session.sendRealtimeInput({ text: LONG });
    await talk.until((message) => has([message], 'modelTurn'));
    talk.answer(call, { output: 'part one' }, { scheduling: 'INTERRUPT', willContinue: true });
    const messages = [...(await talk.turn()), ...(await talk.turn())];
    assert(has(messages, 'interrupted'));
    assert.match(said(messages), /part one/);
    talk.answer(call, {}, { scheduling: 'SILENT', willContinue: false });
    assert.doesNotMatch(said(await talk.ask('Hello')), /part/);
    talk.close();
  },

  async speech_interrupts(live, speech) {
    const talk = await interruptible(live, {});
    talk.say(Buffer.concat([speech, Buffer.alloc(2 * RATE)]), RATE);
    const cut = await talk.turn();
    assert(has(cut, 'interrupted'));
    assert(!has(cut, 'generationComplete'));
    const messages = [...cut, ...(await talk.turn())];
    assert.match(heard(messages), /weather/);
    const signals = messages.flatMap((message) => message.voiceActivity?.type ?? []);
    assert.deepEqual(signals, ['ACTIVITY_START', 'ACTIVITY_END']);
    talk.close();
  },

  async marked_activity_interrupts_and_is_answered(live, speech) {
    const talk = await interruptible(live, {
      realtimeInputConfig: { automaticActivityDetection: { disabled: true } },
    });
    talk.session.sendRealtimeInput({ activityStart: {} });
    assert(has(await talk.turn(), 'interrupted'));
    talk.say(speech, RATE);
    talk.session.sendRealtimeInput({ activityEnd: {} });
    assert.match(heard(await talk.turn()), /weather/);
    talk.close();
  },

  async an_interruption_takes_open_calls_back(live) {
    const talk = await live.open(weather('BLOCKING'));
    talk.session.sendRealtimeInput({ text: 'What is the weather in Paris?' });
    const [call] = await talk.called();
    talk.session.sendRealtimeInput({ text: 'Hello' });
    const seen = await talk.until((message) => message.toolCallCancellation);
    assert.deepEqual(seen.at(-1).toolCallCancellation.ids, [call.id]);
    talk.close();
  },

  async a_conversation_is_resumed(live) {
    const first = await live.open({ sessionResumption: {} });
    await first.ask('Hello');
    const handle = await first.handle();
    first.close();
    await first.end();
    const second = await live.open({ sessionResumption: { handle } });
    assert.match(said(await second.ask('What did I ask you?')), /hello/i);
    second.close();
  },

  async content_is_answered_and_history_is_not(live) {
    const talk = await live.open();
    const turns = [
      { role: 'user', parts: [{ text: 'My name is Ada' }] },
      { role: 'model', parts: [{ text: 'Hello Ada' }] },
    ];
    talk.session.sendClientContent({ turns, turnComplete: false });
    talk.session.sendClientContent({ turns: [{ role: 'user', parts: [{ text: 'What did you say?' }] }] });
    assert.match(said(await talk.turn()), /Hello Ada/);
    talk.close();
  },

  async a_search_names_its_sources(live) {
    const talk = await live.open({ tools: [{ googleSearch: {} }] });
    const messages = await talk.ask('Search for the Eiffel Tower');
    const { groundingMetadata: found } = messages.find((message) => message.serverContent?.groundingMetadata).serverContent;
    assert(found.webSearchQueries.length && found.groundingChunks[0].web.uri && found.searchEntryPoint.renderedContent);
    assert.equal(found.groundingSupports[0].segment.text, said(messages));
    talk.close();
  },

  async a_rich_setup_is_accepted(live) {
    const talk = await live.open(RICH);
    assert(said(await talk.ask('Hello')));
    talk.close();
  },

  async thoughts_are_shown(live) {
    const thinkingConfig = { thinkingLevel: 'LOW', includeThoughts: true };
    const talk = await live.open({ thinkingConfig }, { model: 'gemini-3.8-live-extended-thinking' });
    const messages = await talk.ask('Hello');
    const parts = messages.flatMap((message) => message.serverContent?.modelTurn?.parts ?? []);
    assert(parts.some((part) => part.thought && part.text && part.thoughtSignature));
    assert(messages.at(-1).usageMetadata.thoughtsTokenCount);
    talk.close();
  },

  async a_session_is_ended_without_a_code(live) {
    const talk = await live.open({ sessionResumption: {} });
    const handle = await talk.handle();
    talk.close();
    assert.deepEqual(await talk.end(), [1005, '']);
    (await live.open({ sessionResumption: { handle } })).close();
  },
};
