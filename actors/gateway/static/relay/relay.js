/**
 * A relayed conversation: the page talks to the gateway, where a whole pipeline stands behind its microphone and speaker.
 *
 * The conversation outlives the socket: after a loss, or a reload, both directions go on where they were.
 */

import { delay } from '../live/recovery.js';
import { Refusal } from '../api.js';
import { read, soundFrame } from './frames.js';
import { Voice } from './voice.js';

const PING_EVERY = 5; // seconds
const SILENT_FOR = 12; // seconds without a word from the gateway after which the socket is given up
const OPEN_WITHIN = 8;
const HEARD_EVERY = 0.1;
const MOST_UNSENT = 256 * 1024;
const TURN = 0; // the gateway numbers by position: to the speaker all of it is one turn
const KEPT = 'relay'; // where the session's name and secret survive a reload, in this tab alone
const GOES_ON = new Set([1001, 1005, 1006, 1011, 1012, 4408]);
const NOT_READY = 4503; // a store that is away for a moment must not cost a conversation that stands
const KINDS = {
  4001: 'revoked',
  4002: 'session-over',
  4401: 'not-signed-in',
  4409: 'elsewhere',
  4422: 'not-allowed',
  4429: 'too-often',
  4503: 'not-ready',
};

/** Gives the conversation that this tab had before it was reloaded, null if none. */
export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

export class Relay {
  /** `failed(error)` says why a conversation that stood cannot go on; `kept` is that of this tab before a reload. */
  constructor({ speaker, tell, failed, wish = {}, kept = null, clock = () => performance.now() / 1000, Socket = WebSocket }) {
    Object.assign(this, { speaker, tell, failed, wish, kept, clock, Socket });
    this.voice = new Voice();
    this.socket = null;
    this.ready = false;
    this.known = false; // whether it has ever been welcomed
    this.received = null; // position up to which sound has come, null where this page has had none
    this.heard = 0;
    this.heardAt = -1;
    this.seen = 0;
    this.texts = []; // typed, and not known to have arrived
    this.typed = 0;
    this.whole = null;
    this.attempt = 0;
    this.over = false;
    this.wake = () => {};
    this.online = () => this.wake();
  }

  /** Begins, or goes on with, a conversation; resolves when the gateway has said welcome. */
  start() {
    globalThis.addEventListener?.('online', this.online);
    return new Promise((resolve, reject) => {
      this.started = resolve;
      this.#keepLinked().then(resolve, (error) => (this.known ? this.failed(error) : reject(error)));
    });
  }

  /** Takes a block of the microphone; a muted one gives silence, which keeps the conversation's clock. */
  hear({ samples }) {
    if (this.over) return;
    this.voice.hear(samples);
    this.#pump();
  }

  /** Sends text. */
  say(text) {
    this.texts.push({ type: 'say', text, number: ++this.typed });
    this.#send(this.texts.at(-1));
  }

  /** Silences the reply under way. */
  interrupt() {
    this.#send({ type: 'interrupt' });
  }

  /** The microphone itself gives silence while it is muted. */
  mute() {}

  /** Takes what the speaker tells of what is heard. */
  report({ position, underruns }) {
    this.heard = Math.max(this.heard, Math.min(position, this.received ?? 0)); // the speaker may still tell of another one
    const now = this.clock();
    if (this.heard === this.told && now - this.heardAt < HEARD_EVERY) return;
    Object.assign(this, { told: this.heard, heardAt: now });
    this.#send({ type: 'heard', position: this.heard, underruns });
  }

  /** Ends the conversation in order. */
  async end() {
    this.over = true;
    globalThis.removeEventListener?.('online', this.online);
    this.#forget();
    this.speaker.flush(TURN, { onward: true });
    this.#send({ type: 'end' });
    this.wake();
    const { socket } = this;
    if (socket) await Promise.race([new Promise((resolve) => (socket.onclose = resolve)), sleep(1)]);
    socket?.close(1000);
    this.tell({ event: 'session.state', from: 'CLOSING', to: 'CLOSED', reason: 'ended by the user' });
  }

  // -- one socket after the other

  async #keepLinked() {
    while (!this.over) {
      const { code, reason } = await this.#oneLink();
      if (this.over) return;
      if (code === 4404 && this.kept) this.#beginAnew();
      else if (!GOES_ON.has(code) && !(code === NOT_READY && this.kept)) throw this.#surrender(code, reason);
      else if (this.attempt > 0 && !this.kept) throw new Refusal('gone', 'the gateway cannot be reached');
      this.tell({ event: 'link', state: 'lost', reason });
      await this.#rest(delay((this.attempt += 1)));
    }
  }

  #oneLink() {
    return new Promise((resolve) => {
      const address = new URL('/api/relay', location.href);
      address.protocol = address.protocol.replace('http', 'ws');
      const socket = new this.Socket(address);
      socket.binaryType = 'arraybuffer';
      this.socket = socket;
      this.lastWord = this.clock() + OPEN_WITHIN - SILENT_FOR;
      const beating = setInterval(() => this.#beat(done), 1000);
      const done = (code, reason) => {
        clearInterval(beating);
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        Object.assign(this, { socket: null, ready: false });
        resolve({ code, reason });
      };
      socket.onopen = () => socket.send(JSON.stringify(this.#hello()));
      socket.onmessage = ({ data }) => this.#hear(data);
      socket.onclose = ({ code, reason }) => done(code, reason);
    });
  }

  #hello() {
    const { seen, received } = this;
    const heard = received === null ? 0 : this.heard;
    return this.kept ? { type: 'hello', ...this.kept, received, heard, seen } : { type: 'hello', ...this.wish };
  }

  #beat(done) {
    const now = this.clock();
    if (now - this.lastWord > SILENT_FOR) done(1006, 'the gateway has fallen silent');
    else if (this.ready && now - (this.pingedAt ?? 0) >= PING_EVERY) {
      this.pingedAt = now;
      this.#send({ type: 'ping', number: Math.round(now) });
      this.#pump();
    }
  }

  #beginAnew() {
    this.#forget();
    Object.assign(this, { received: null, heard: 0, seen: 0, whole: null, voice: new Voice() });
    this.speaker.flush(TURN, { onward: true });
    this.tell({ event: 'notice', text: 'The conversation before is over; a new one begins.' });
  }

  #surrender(code, reason) {
    this.over = true;
    this.#forget();
    const retryAfter = Number(/retry after (\d+)/.exec(reason)?.[1]) || null;
    return new Refusal(KINDS[code] ?? 'service', reason || `closed with ${code}`, { status: code, retryAfter });
  }

  #forget() {
    this.kept = null;
    sessionStorage.removeItem(KEPT);
  }

  #rest(seconds) {
    if (this.over) return Promise.resolve();
    return Promise.race([sleep(seconds), new Promise((resolve) => (this.wake = resolve))]);
  }

  // -- what comes in

  #hear(data) {
    this.lastWord = this.clock();
    const message = read(data);
    if (message) this[`on_${message.type}`]?.(message);
    this.#pump();
  }

  on_welcome({ session, secret, play, stale_before: staleBefore, mic, said }) {
    this.kept = { session, secret };
    sessionStorage.setItem(KEPT, JSON.stringify(this.kept));
    this.voice.resume(mic);
    if (this.received !== null && this.heard < staleBefore) this.speaker.flush(TURN, { onward: true });
    this.received = play;
    this.ready = this.known = true;
    this.typed = Math.max(this.typed, said);
    this.texts = this.texts.filter(({ number }) => number > said);
    for (const text of this.texts) this.#send(text);
    if (this.attempt > 0) this.tell({ event: 'link', state: 'back' });
    this.attempt = 0;
    this.started();
  }

  on_sound({ position, samples }) {
    this.received = position + samples.length;
    this.speaker.push(TURN, samples, { position });
    this.#endIfWhole();
  }

  on_whole({ position }) {
    this.whole = position;
    this.#endIfWhole();
  }

  async on_flush({ id, until, fade_ms: fadeMs }) {
    const position = await this.speaker.flush(TURN, { fadeMs, onward: true });
    this.#send({ type: 'flushed', id, position: Math.min(position, until) });
  }

  on_level({ gain, ms }) {
    this.speaker.duck(gain, ms);
  }

  on_event({ number, event, fields }) {
    this.seen = number;
    this.tell({ event, ...fields });
  }

  on_mic({ settled }) {
    this.voice.settled(settled);
  }

  #endIfWhole() {
    if (this.whole === null || this.received < this.whole) return;
    this.whole = null;
    this.speaker.end(TURN);
  }

  // -- what goes out

  #pump() {
    while (this.ready && this.socket.bufferedAmount < MOST_UNSENT) {
      const block = this.voice.next();
      if (!block) return;
      this.socket.send(soundFrame(block.position, block.samples));
    }
  }

  #send(message) {
    if (this.ready && this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }
}

function sleep(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
