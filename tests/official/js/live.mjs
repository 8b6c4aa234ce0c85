// The official client as the checks use it: sessions whose messages are read one after the other.

import assert from 'node:assert/strict';
import { GoogleGenAI } from '@google/genai';

export const MODEL = 'gemini-3.8-live';
export const BOTH_TRANSCRIPTS = { inputAudioTranscription: {}, outputAudioTranscription: {} };

/** How the service ended a session. */
export class Ended extends Error {
  constructor(code, reason) {
    super(`${code} ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** One open session; made by `Live.open`. */
export class Talk {
  constructor() {
    this.session = null;
    this.pending = [];
    this.wanted = null;
  }

  /** The callbacks that the client wants. */
  get callbacks() {
    return {
      onmessage: (message) => this.bring(message),
      onerror: () => {},
      onclose: (event) => this.bring(new Ended(event.code, event.reason)),
    };
  }

  bring(found) {
    this.pending.push(found);
    this.wanted?.();
  }

  /** Gives the next message; throws Ended when there is none to come. */
  async receive() {
    while (this.pending.length === 0) {
      await new Promise((resolve) => (this.wanted = resolve));
    }
    if (this.pending[0] instanceof Ended) {
      throw this.pending[0];
    }
    return this.pending.shift();
  }

  /** Gives the messages up to the one that `last` holds for. */
  async until(last) {
    const seen = [];
    do {
      seen.push(await this.receive());
    } while (!last(seen.at(-1)));
    return seen;
  }

  /** Gives the messages up to the end of the interaction. */
  turn() {
    return this.until((message) => {
      const content = message.serverContent;
      return content?.turnComplete && (content.interactionStatus ?? 'IDLE') === 'IDLE';
    });
  }

  /** Asks in writing, and gives what follows. */
  ask(text) {
    this.session.sendRealtimeInput({ text });
    return this.turn();
  }

  /** Says something, `pcm` at so many samples a second, in pieces of a tenth of a second. */
  say(pcm, rate) {
    const piece = rate / 5;
    for (let start = 0; start < pcm.length; start += piece) {
      const data = pcm.subarray(start, start + piece).toString('base64');
      this.session.sendRealtimeInput({ audio: { data, mimeType: `audio/pcm;rate=${rate}` } });
    }
  }

  /** Gives the calls that come next. */
  async called() {
    return (await this.until((message) => message.toolCall)).at(-1).toolCall.functionCalls;
  }

  answer(call, response, more = {}) {
    this.session.sendToolResponse({ functionResponses: [{ id: call.id, name: call.name, response, ...more }] });
  }

  /** Gives the next handle from which the session can go on. */
  async handle() {
    const seen = await this.until((message) => message.sessionResumptionUpdate?.resumable);
    return seen.at(-1).sessionResumptionUpdate.newHandle;
  }

  /** Waits for the end, and gives code and reason. */
  async end() {
    try {
      await this.until(() => false);
    } catch (error) {
      assert(error instanceof Ended, error);
      return [error.code, error.reason];
    }
  }

  close() {
    this.session.close();
  }
}

/** One service. */
export class Live {
  constructor(url) {
    this.url = url;
  }

  client(apiVersion = 'v1beta', apiKey = 'any') {
    return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: this.url, apiVersion } });
  }

  /** Opens a session and waits for the service's word. */
  async open(config = {}, { client = this.client(), model = MODEL } = {}) {
    const talk = new Talk();
    const asked = { responseModalities: ['AUDIO'], ...BOTH_TRANSCRIPTS, ...config };
    talk.session = await client.live.connect({ model, config: asked, callbacks: talk.callbacks });
    return talk;
  }

  /** Tries to open a session, and gives the code and reason with which the client says that it may not. */
  async refusal(config = {}, options = {}) {
    const told = await this.open(config, options).then(
      () => assert.fail('the session was opened'),
      (error) => error.message.match(/closed before setup completed \(code (\d+)\): (.*)$/),
    );
    assert(told);
    return [Number(told[1]), told[2]];
  }

  /** Gives a client that holds a fresh ephemeral token. */
  async holder(config = {}) {
    const token = await this.client('v1alpha').authTokens.create({ config });
    return this.client('v1alpha', token.name);
  }
}

const contents = (messages) => messages.map((message) => message.serverContent ?? {});
const parts = (messages) => contents(messages).flatMap((content) => content.modelTurn?.parts ?? []);

/** What the model said, as its transcript. */
export const said = (messages) => contents(messages).map((content) => content.outputTranscription?.text ?? '').join('');

/** What the user was understood to say. */
export const heard = (messages) => contents(messages).map((content) => content.inputTranscription?.text ?? '').join('');

/** All reply audio, 24 kHz s16le mono. */
export const sound = (messages) =>
  Buffer.concat(parts(messages).map((part) => Buffer.from(part.inlineData?.data ?? '', 'base64')));

/** Says whether any content has this field. */
export const has = (messages, name) => contents(messages).some((content) => content[name]);

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
