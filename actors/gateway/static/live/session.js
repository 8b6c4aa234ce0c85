/**
 * The heart of a direct session, without I/O: what to send next, and what each thing the service says leads to.
 *
 * `receive` gives what follows from a signal: things to `do` (play, whole, end, flush, tool, cancel) and events to tell,
 * in the words of the assistant's event log. One object lives as long as the conversation, and survives its sockets.
 */

import { Sources } from './grounding.js';
import { Kept } from './kept.js';

const STALE_FOR = 1; // seconds after `interrupted` in which content still belongs to the interrupted turn
const MUTE_AFTER = 8; // seconds after a second unanswered question
const REMEMBERED = 200; // lines of the exchange, for a session that has to be told of it
const SIGNS = new Set(['speech', 'outputText', 'inputText', 'generationComplete', 'waiting', 'turnComplete', 'calls']);

export class LiveSession {
  constructor() {
    this.state = 'DISCONNECTED';
    this.turn = 0;
    this.handle = null;
    this.resumable = false;
    this.kept = new Kept();
    this.calls = new Map(); // id -> name of those that the service waits for
    this.answers = [];
    this.written = []; // answers that went out since the last handle, so that a resumed session may not know them
    this.since = new Set(); // ids of calls since the last handle, which a resumed session has not made
    this.first = []; // control, ahead of everything else
    this.sources = new Sources();
    this.lines = [];
    this.known = 0; // lines that the session at the far end remembers
    this.words = { user: '', model: '' };
    this.reply = null; // of the turn under way: {whole, cutAt, past}
    this.called = false; // a tool was called and nothing was said since
    this.cut = false; // an interruption whose turnComplete is to come
    this.speaking = false;
    this.asked = false; // the user has said something that nothing has answered yet
    this.unanswered = 0; // questions since the service last gave a sign of having heard one
    this.mostUnanswered = 2;
    this.askedAt = 0;
  }

  /** Whether this is a turn boundary: nobody speaks, nothing is owed. */
  get idle() {
    return !this.reply && !this.speaking && !this.asked && this.calls.size === 0 && this.kept.next() === undefined;
  }

  // -- what goes out

  /**
   * Whether the service takes what the user says and shows no sign of it: time for another link. Where that does not
   * help, it takes more questions until the next time.
   */
  mute(now) {
    const over = this.unanswered >= this.mostUnanswered && now - this.askedAt > MUTE_AFTER;
    if (!over || this.reply || this.speaking || this.calls.size > 0) return false;
    this.unanswered = 0;
    this.mostUnanswered *= 2;
    return true;
  }

  /** Takes a block of the microphone that ends now; `change` is 'start' or 'end' where speech does. */
  hear(samples, change, now) {
    if (change === 'start') {
      this.speaking = this.asked = true;
      if (this.reply?.whole) this.reply.past = true;
    }
    if (change === 'end') {
      this.speaking = false;
      this.#question(now);
    }
    this.kept.keep({ samples, onset: change === 'start' });
  }

  /** The microphone pauses: the service need not wait for more. */
  pause() {
    this.speaking = false;
    this.kept.keep({ ends: true });
  }

  /** Takes text of the user's. */
  say(text, now) {
    this.asked = true;
    this.#question(now);
    this.kept.keep({ text });
    this.#remember({ who: 'user', text });
    return [{ event: 'transcript', who: 'user', text, final: true }];
  }

  /** Asks the service to generate no further; what there is of the reply is stale at once. */
  stop() {
    if (this.state === 'CONNECTED') this.first.push({ do: 'stop' });
    return this.reply ? [{ do: 'flush', turn: this.turn }] : [];
  }

  /** Takes a tool's answer; false when nobody is owed it any more. */
  answer({ id, response, scheduling }) {
    const name = this.calls.get(id);
    if (name === undefined) return false;
    this.calls.delete(id);
    this.answers.push({ do: 'toolResponse', id, name, response, scheduling });
    return true;
  }

  /** Takes the command that belongs on the wire next; undefined when there is none. */
  next() {
    if (!['CONNECTED', 'INTERRUPTED'].includes(this.state)) return undefined;
    if (this.first.length > 0) return this.first.shift();
    const answer = this.answers.shift();
    if (answer !== undefined) {
      if (this.handle !== null) this.written.push(answer);
      return answer;
    }
    const item = this.kept.next();
    this.kept.advance();
    if (item === undefined) return undefined;
    if (item.samples) return { do: 'audio', samples: item.samples };
    return item.ends ? { do: 'audioStreamEnd' } : { do: 'text', text: item.text };
  }

  // -- the link

  /** A link is being made. */
  dialling(reason) {
    return this.#move('CONNECTING', reason);
  }

  /** The link stands; gives the milliseconds of audio that go out again, and what follows. */
  linked({ resumed, takesHistory = true }) {
    if (!resumed) Object.assign(this, { handle: null, resumable: false });
    const untold = resumed ? this.lines.slice(this.known) : this.lines;
    this.first = untold.length > 0 && takesHistory ? [{ do: 'history', lines: untold }] : [];
    const void_ = [...this.calls.keys()].filter((id) => !resumed || this.since.has(id));
    for (const id of void_) this.calls.delete(id);
    this.answers = resumed ? [...this.written, ...this.answers].filter(({ id }) => !this.since.has(id)) : [];
    this.written = [];
    this.since.clear();
    const replayed = this.kept.rewind();
    return { replayed, effects: [...cancelled(void_), ...this.#move('CONNECTED', resumed ? 'resumed' : 'set up')] };
  }

  /** The link is gone. A reply that is whole plays on, one that is not comes again: it ends as failed. */
  lost(reason) {
    const effects = [];
    if (this.reply?.cutAt) effects.push({ do: 'end', turn: this.turn, outcome: 'interrupted' });
    else if (this.reply?.whole) effects.push({ do: 'end', turn: this.turn, outcome: 'completed' });
    else if (this.reply) effects.push({ do: 'flush', turn: this.turn, outcome: 'failed' });
    if (this.reply && !this.reply.whole && !this.reply.cutAt) this.words = { user: '', model: '' };
    effects.push(...this.#over());
    this.called = false;
    return [...effects, ...this.#move('DISCONNECTED', reason)];
  }

  /** The session is over for good. */
  close(reason) {
    return [...this.#move('CLOSING', reason), ...this.#move('CLOSED', reason)];
  }

  // -- what comes in

  /** Takes one signal and gives what follows from it, in order. */
  receive(signal, now) {
    if (SIGNS.has(signal.type)) Object.assign(this, { unanswered: 0, mostUnanswered: 2 });
    return this[`on_${signal.type}`]?.(signal, now) ?? [];
  }

  on_speech({ samples, rate }, now) {
    if (this.#stale(now)) return [];
    const effects = this.#begin();
    this.called = this.calls.size > 0 && this.called;
    return [...effects, { do: 'play', turn: this.turn, samples, rate }];
  }

  on_outputText({ text }, now) {
    if (this.#stale(now)) return [];
    const effects = this.#begin();
    this.words.model += text;
    return [...effects, { event: 'transcript', who: 'model', text, final: false, turn: this.turn }];
  }

  on_inputText({ text }) {
    this.words.user += text;
    return [{ event: 'transcript', who: 'user', text, final: false }];
  }

  on_interrupted(_signal, now) {
    this.cut = true;
    this.kept.settle();
    if (!this.reply) return [{ do: 'flush', turn: this.turn }];
    this.reply.cutAt = now;
    return [{ do: 'flush', turn: this.turn }, ...this.#move('INTERRUPTED', 'the user spoke over the reply')];
  }

  on_generationComplete() {
    if (!this.reply || this.#owing) return [];
    this.reply.whole = true;
    this.kept.settle();
    return [{ do: 'whole', turn: this.turn }];
  }

  on_turnComplete({ status, reason }) {
    if (status === 'IN_PROGRESS' && !this.cut) return [];
    if (this.cut && !this.reply) {
      this.cut = false;
      return [];
    }
    const effects = this.#begin({ overPast: false });
    effects.push({ do: 'end', turn: this.turn, outcome: this.reply.cutAt ? 'interrupted' : 'completed' });
    if (reason && reason !== 'TURN_COMPLETE_REASON_UNSPECIFIED') {
      effects.push({ event: 'error', what: 'the service cut a reply short', code: reason, action: 'go on' });
    }
    if (!this.#owing) this.kept.settle();
    return [...effects, ...this.#over(), ...this.#move('CONNECTED', 'the turn is over')];
  }

  on_waiting() {
    this.kept.answerBegins(this.speaking);
    this.kept.settle();
    this.asked = false;
    return [];
  }

  on_calls({ calls }, now) {
    const effects = this.#stale(now) ? [] : this.#begin();
    this.called = true;
    for (const { id, name, args } of calls) {
      if (!id || this.calls.has(id)) continue;
      this.calls.set(id, name);
      if (this.handle !== null) this.since.add(id);
      effects.push({ do: 'tool', id, name, args, turn: this.turn });
    }
    return effects;
  }

  on_voided({ ids }) {
    const gone = ids.filter((id) => this.calls.delete(id));
    return cancelled(gone);
  }

  on_handle({ handle, resumable }) {
    this.resumable = resumable;
    if (!resumable) return [];
    this.handle = handle;
    this.written = [];
    this.since.clear();
    if (this.calls.size > 0) this.kept.settle(); // the saved session knows the call, and the words that led to it
    this.known = this.lines.length;
    return [];
  }

  on_goAway({ left }) {
    return [{ event: 'session.going_away', left_ms: Math.round(left * 1000) }, { do: 'leave', within: left }];
  }

  on_usage({ counts }) {
    return [{ event: 'usage', ...counts }];
  }

  on_grounding({ metadata }) {
    const told = this.sources.found(this.turn, metadata);
    return told ? [told] : [];
  }

  // -- turns

  get #owing() {
    return this.called || this.calls.size > 0;
  }

  /** Whether content belongs to a turn that the user interrupted. */
  #stale(now) {
    return Boolean(this.reply?.cutAt) && now - this.reply.cutAt <= STALE_FOR;
  }

  /**
   * Something of a reply has come: if it is the first of it, a new turn begins. A service that forgets a turnComplete
   * must not mute the assistant for good, so what cannot be that turn's any more ends it.
   */
  #begin({ overPast = true } = {}) {
    const effects = [];
    if (this.reply) {
      if (!(overPast && (this.reply.cutAt || this.reply.past))) return [];
      const outcome = this.reply.cutAt ? 'interrupted' : 'completed';
      effects.push({ do: 'end', turn: this.turn, outcome }, ...this.#over());
    }
    this.turn += 1;
    this.reply = { whole: false, cutAt: null, past: false };
    this.cut = this.called = false;
    this.asked = this.speaking;
    this.kept.answerBegins(this.speaking);
    return [...effects, ...this.#said('user'), ...this.#move('CONNECTED', 'a reply begins')];
  }

  /** The turn is over, and its words become lines. */
  #over() {
    Object.assign(this, { reply: null, cut: false });
    return [...this.#said('user'), ...this.#said('model')];
  }

  #question(now) {
    this.unanswered += 1;
    this.askedAt = now;
  }

  #said(who) {
    const text = this.words[who].trim();
    this.words[who] = '';
    if (!text) return [];
    this.#remember({ who, text });
    return [{ event: 'transcript', who, text, final: true, turn: this.turn }];
  }

  #remember(line) {
    this.lines.push(line);
    if (this.lines.length <= REMEMBERED) return;
    this.lines.shift();
    this.known = Math.max(0, this.known - 1);
  }

  #move(to, reason) {
    if (this.state === to || this.state === 'CLOSED') return [];
    const from = this.state;
    this.state = to;
    return [{ event: 'session.state', from, to, reason }];
  }
}

function cancelled(ids) {
  return ids.length > 0 ? [{ do: 'cancel', ids }] : [];
}
