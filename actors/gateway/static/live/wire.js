/**
 * The Live service's frames: commands become JSON text, frames become signals. No state, no clock, no socket.
 *
 * A field that this module does not know is left alone: one new field of the service must not end a call.
 */

import { fromBytes, toBytes } from '../audio/pcm.js';

const INPUT_TYPE = 'audio/pcm;rate=16000';
const OUTPUT_RATE = 24_000;

const ENCODERS = {
  setup: ({ setup }) => ({ setup }),
  audio: ({ samples }) => ({
    realtimeInput: { audio: { mimeType: INPUT_TYPE, data: toBase64(toBytes(samples)) } },
  }),
  audioStreamEnd: () => ({ realtimeInput: { audioStreamEnd: true } }),
  text: ({ text }) => ({ realtimeInput: { text: text.toWellFormed?.() ?? text } }),
  history: ({ lines }) => ({
    clientContent: {
      turns: lines.map(({ who, text }) => ({ role: who, parts: [{ text }] })),
      turnComplete: false,
    },
  }),
  stop: () => ({ clientContent: { turnComplete: false } }),
  toolResponse: ({ id, name, response, scheduling }) => ({
    toolResponse: { functionResponses: [{ id, name, response, ...(scheduling && { scheduling }) }] },
  }),
};

/** Gives the text frame for a command. */
export function encode(command) {
  return JSON.stringify(ENCODERS[command.do](command));
}

/** Gives what a frame's text says, in the order to act in; nothing for what is no message. */
export function decode(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return [];
  }
  if (message === null || typeof message !== 'object' || Array.isArray(message)) return [];
  const signals = [];
  for (const [key, read] of Object.entries(MESSAGES)) {
    if (message[key] !== undefined && message[key] !== null) signals.push(...attempt(read, message[key]));
  }
  return signals;
}

/** Reads one field; what is malformed costs that field alone. */
function attempt(read, value) {
  try {
    return [...read(value)];
  } catch {
    return [];
  }
}

const MESSAGES = {
  setupComplete: function* setupComplete() {
    yield { type: 'ready' };
  },
  serverContent: content,
  toolCall: function* toolCall({ functionCalls = [] }) {
    const calls = functionCalls.map(({ id = '', name, args }) => ({ id, name: String(name), args: args ?? {} }));
    yield { type: 'calls', calls };
  },
  toolCallCancellation: function* cancellation({ ids = [] }) {
    yield { type: 'voided', ids: ids.map(String) };
  },
  goAway: function* goAway({ timeLeft }) {
    yield { type: 'goAway', left: seconds(timeLeft ?? 0) };
  },
  sessionResumptionUpdate: function* resumption({ newHandle, resumable }) {
    yield { type: 'handle', handle: newHandle || null, resumable: Boolean(resumable && newHandle) };
  },
  usageMetadata: function* usage(counts) {
    yield { type: 'usage', counts };
  },
};

/** Several fields may share a frame (live-protocol 1.3); interruption comes before content, the turn's end last. */
function* content(given) {
  for (const [key, read] of Object.entries(CONTENT)) {
    if (given[key] !== undefined && given[key] !== null && given[key] !== false) yield* attempt(read, given[key]);
  }
  if (given.turnComplete) {
    yield { type: 'turnComplete', status: given.interactionStatus ?? '', reason: given.turnCompleteReason ?? '' };
  }
}

const CONTENT = {
  inputTranscription: transcription('inputText'),
  interrupted: flag('interrupted'),
  outputTranscription: transcription('outputText'),
  modelTurn: function* modelTurn({ parts = [] }) {
    for (const part of parts) yield* attempt(speech, part);
  },
  groundingMetadata: function* grounding(metadata) {
    yield { type: 'grounding', metadata };
  },
  waitingForInput: flag('waiting'),
  generationComplete: flag('generationComplete'),
};

function* speech(part) {
  const { inlineData, text, thought } = part;
  if (inlineData) {
    const kind = inlineData.mimeType ?? 'audio/pcm';
    if (!kind.startsWith('audio/pcm')) return;
    const rate = Number(/rate=(\d+)/.exec(kind)?.[1] ?? OUTPUT_RATE);
    yield { type: 'speech', samples: fromBytes(fromBase64(inlineData.data)), rate };
  } else if (text && !thought) yield { type: 'outputText', text };
}

function transcription(type) {
  return function* read({ text }) {
    if (text) yield { type, text: String(text) };
  };
}

function flag(type) {
  return function* read() {
    yield { type };
  };
}

/** Reads a protobuf duration, `"50s"` or `"1.5s"`. */
function seconds(duration) {
  const length = Number(String(duration).replace(/s$/, ''));
  if (!Number.isFinite(length)) throw new RangeError('no length of time');
  return length;
}

/** Gives bytes in standard base64. */
export function toBase64(bytes) {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Decodes both base64 alphabets, with or without padding. */
export function fromBase64(text) {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}
