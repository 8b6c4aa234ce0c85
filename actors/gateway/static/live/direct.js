/**
 * A direct conversation: the page talks to the Live service itself, with a token from the gateway.
 *
 * It keeps a link under the session: dials, sets up, resumes after a loss, leaves ahead of goAway and of the token's end
 * at a turn boundary. Everything said meanwhile is kept and sent again. Tools run at the gateway.
 */

import { Ear } from './ear.js';
import { decide, delay } from './recovery.js';
import { LiveSession } from './session.js';
import { Tools } from './tools.js';
import { Turns } from './turns.js';
import { decode, encode } from './wire.js';

const SETUP_WITHIN = 10; // seconds for the socket to open and the setup to be accepted
const CLOSE_WITHIN = 1;
const RENEW_AHEAD = 300; // seconds before a token's end at which the next one is asked for
const LEAVE_MARGIN = 3; // seconds before a deadline at which we leave, boundary or not
const STABLE_AFTER = 10; // seconds after which a link that ends was a good one
const TICK = 0.25;
const MOST_UNSENT = 256 * 1024; // bytes in the socket's buffer; more stays in the session's own log

export class Direct {
  /**
   * `api` gives tokens and runs tools, `speaker` plays, `tell(event)` gets what happens in the event log's words, and
   * `failed(error)` why a conversation that stood cannot go on.
   * `clock` gives seconds; `Socket` is the browser's WebSocket.
   */
  constructor({ api, speaker, tell, failed, wish = {}, clock = () => performance.now() / 1000, Socket = WebSocket }) {
    Object.assign(this, { api, speaker, tell, failed, wish, clock, Socket });
    this.session = new LiveSession();
    this.turns = new Turns();
    this.ear = new Ear();
    this.tools = new Tools(api, tell, clock, (answer) => {
      this.session.answer(answer);
      this.#pump();
    });
    this.token = null;
    this.socket = null;
    this.leaveAt = Infinity;
    this.muted = false;
    this.over = false;
    this.wake = () => {};
    this.known = false;
    this.online = () => this.wake();
  }

  /** Begins, and resolves with the first link; what the gateway refuses comes out as its Refusal. */
  async start() {
    this.token = await this.api.token(this.wish);
    globalThis.addEventListener?.('online', this.online);
    return new Promise((resolve, reject) => {
      this.started = resolve;
      this.#keepLinked().then(resolve, (error) => (this.known ? this.failed(error) : reject(error)));
    });
  }

  /** Takes a block of the microphone. */
  hear({ samples, rms }) {
    if (this.muted || this.over) return;
    const now = this.clock();
    this.session.hear(samples, this.ear.hear(rms, now), now);
    this.#pump();
  }

  /** Sends text. */
  say(text) {
    this.#act(this.session.say(text, this.clock()));
    this.#pump();
  }

  /** Silences the reply under way. */
  interrupt() {
    this.#act(this.session.stop());
    this.#pump();
  }

  /** The microphone is muted, or is not. */
  mute(muted) {
    if (muted && !this.muted) this.session.pause();
    this.muted = muted;
    this.#pump();
  }

  /** Takes what the speaker tells of what is heard. */
  report({ events }) {
    for (const event of this.turns.heard(events, this.clock())) this.tell(event);
  }

  /** Ends the conversation in order. */
  async end() {
    this.over = true;
    globalThis.removeEventListener?.('online', this.online);
    this.tools.cancel([...this.tools.running.keys()]);
    this.#act(this.session.close('ended by the user'));
    this.speaker.flush(this.session.turn);
    this.wake();
    await this.#hangUp();
  }

  // -- one link after the other

  async #keepLinked() {
    let attempt = 0;
    let since = this.clock();
    let why = 'the conversation begins';
    while (!this.over) {
      this.#act(this.session.dialling(why));
      const began = this.clock();
      const loss = await this.#oneLink(attempt, since);
      if (this.over) return;
      const now = this.clock();
      if (loss.linked && now - began > STABLE_AFTER) attempt = 0;
      if (loss.linked) since = now;
      attempt += 1;
      this.#act(this.session.lost(loss.reason || `closed with ${loss.code}`));
      if (loss.left) {
        why = loss.reason;
        await this.#rest(delay(attempt));
        continue;
      }
      const handle = this.session.handle !== null;
      const next = decide({ ...loss, handle, attempt, downFor: now - since, known: this.known });
      if (next.action === 'end') return this.#act(this.session.close('the service ended the session'));
      if (next.action === 'give up') throw this.#surrender(loss);
      if (next.action === 'renew') this.token = null;
      if (next.action === 'fresh') this.session.handle = null;
      const wait = Math.max(next.delay, loss.retryAfter ?? 0);
      const action = `${next.action} ${wait > 0 ? `in ${wait.toFixed(1)} s` : 'at once'}`;
      this.tell({ event: 'error', what: `connection lost: ${loss.reason || 'no reason given'}`, code: loss.code, action });
      why = `attempt ${attempt}`;
      await this.#rest(wait);
    }
  }

  /** Makes one link and keeps it; gives how it ended. */
  async #oneLink(attempt, since) {
    try {
      await this.#haveToken();
    } catch (error) {
      if (!error.passing) throw error;
      return { code: 1006, reason: error.message, phase: 'setup', retryAfter: error.retryAfter };
    }
    return new Promise((resolve) => {
      const link = { phase: 'setup', code: 1006, reason: '', linked: false, left: false };
      const socket = new this.Socket(this.token.socketUrl);
      socket.binaryType = 'arraybuffer';
      this.socket = socket;
      const handle = this.session.handle;
      const deadline = setTimeout(() => this.#drop(link, 'the service did not answer in time'), SETUP_WITHIN * 1000);
      const ticking = setInterval(() => this.#tick(link), TICK * 1000);
      link.done = (code, reason) => {
        clearTimeout(deadline);
        clearInterval(ticking);
        socket.onopen = socket.onmessage = socket.onclose = null;
        if (this.socket === socket) this.socket = null;
        resolve({ ...link, code, reason: link.reason || reason });
      };
      link.ready = () => {
        clearTimeout(deadline);
        this.#linked(link, { handle, attempt, since });
      };
      socket.onopen = () => socket.send(encode({ do: 'setup', setup: this.#setup(handle) }));
      socket.onmessage = ({ data }) => this.#hear(link, data);
      socket.onclose = ({ code, reason }) => link.done(code, reason);
    });
  }

  /** The token settles everything but the handle. */
  #setup(handle) {
    return { ...this.token.setup, sessionResumption: handle ? { handle } : {} };
  }

  async #haveToken() {
    const left = this.token ? this.token.expires - this.clock() : 0;
    if (this.#last && left <= LEAVE_MARGIN + 1) throw timeUp();
    const tooLate = this.session.handle === null && this.token && this.token.startBefore < this.clock() + 2;
    if ((left > RENEW_AHEAD / 2 || this.#last) && !tooLate) return;
    const shortLived = this.token && this.token.life < RENEW_AHEAD && left > LEAVE_MARGIN && !tooLate;
    if (!shortLived) this.token = await this.api.token(this.wish, this.token);
  }

  /** Whether no token of this session can outlive the present one. */
  get #last() {
    return Boolean(this.token) && this.token.expires >= this.token.sessionEnds - 1;
  }

  #linked(link, { handle, attempt, since }) {
    Object.assign(link, { phase: 'session', linked: true });
    const resumed = handle !== null;
    const lostMs = Math.round(this.session.kept.lostMs);
    const { replayed, effects } = this.session.linked({ resumed, takesHistory: this.token.takesHistory });
    this.#act(effects);
    if (this.known) {
      const gap = Math.round((this.clock() - since) * 1000);
      this.tell({ event: 'session.resumed', attempt, gap_ms: gap, replayed_ms: replayed, lost_ms: lostMs, fresh: !resumed });
    }
    this.known = true;
    this.leaveAt = this.#last ? Infinity : this.token.expires - LEAVE_MARGIN;
    this.started?.();
    this.#pump();
  }

  #hear(link, data) {
    const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
    for (const signal of decode(text)) {
      if (signal.type === 'ready') link.ready();
      else if (link.linked) this.#act(this.session.receive(signal, this.clock()));
    }
    this.#pump();
  }

  // -- leaving

  #tick(link) {
    if (!link.linked) return;
    const now = this.clock();
    this.#pump();
    if (this.session.mute(now)) return this.#leave(link, 'the service leaves everything unanswered');
    if (this.#last && now >= this.token.expires - LEAVE_MARGIN) return this.#leave(link, 'the time of this session is up');
    const boundary = this.session.idle && this.session.resumable;
    if (now >= this.leaveAt - LEAVE_MARGIN || (boundary && this.#wantsToLeave(now))) {
      this.#leave(link, 'ahead of the service going away');
    }
    return undefined;
  }

  /** Whether goAway was said, or the token nears its end and its successor is here. */
  #wantsToLeave(now) {
    if (this.leaveAt < this.token.expires - LEAVE_MARGIN) return true;
    if (this.#last) return false;
    const ahead = Math.min(RENEW_AHEAD, this.token.life / 2);
    if (this.token.expires - now > ahead) return false;
    this.#renew();
    return Boolean(this.successor);
  }

  /** Asks for the next token while the present one is still good; once at a time. */
  #renew() {
    if (this.renewing || this.successor) return;
    this.renewing = true;
    const forget = () => {
      this.renewing = false;
    };
    const wait = () => setTimeout(forget, 10_000);
    this.api.token(this.wish, this.token).then((token) => {
      this.successor = token;
      forget();
    }, wait);
  }

  async #leave(link, reason) {
    if (link.left) return;
    Object.assign(link, { left: true, reason });
    if (this.successor) {
      this.token = this.successor;
      this.successor = null;
    }
    await this.#hangUp();
    link.done(1000, reason);
  }

  #drop(link, reason) {
    link.reason = reason;
    this.socket?.close();
    link.done(1006, reason);
  }

  /** Closes the socket and waits for it, since a resumption is refused while the one before is open. */
  async #hangUp() {
    const socket = this.socket;
    if (!socket) return;
    const closed = new Promise((resolve) => {
      socket.onclose = resolve;
      setTimeout(resolve, CLOSE_WITHIN * 1000);
    });
    socket.onmessage = null;
    socket.close(1000);
    await closed;
  }

  #surrender({ code, reason }) {
    this.#act(this.session.close('gave up'));
    return Object.assign(new Error(reason || `the service closed the connection with ${code}`), { kind: 'service', code });
  }

  /** Waits, but no longer than until the network is back. */
  #rest(seconds) {
    if (seconds <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // -- effects

  #pump() {
    while (this.socket?.readyState === 1 && this.socket.bufferedAmount < MOST_UNSENT) {
      const command = this.session.next();
      if (command === undefined) return;
      this.socket.send(encode(command));
    }
  }

  #act(effects) {
    for (const effect of effects) {
      if (effect.event) this.tell(effect);
      else this[`do_${effect.do}`](effect);
    }
  }

  do_play({ turn, samples, rate }) {
    this.turns.sounds(turn, this.ear.lastAt);
    this.speaker.push(turn, samples, { rate });
  }

  do_whole({ turn }) {
    this.speaker.end(turn);
  }

  do_end({ turn, outcome }) {
    if (outcome === 'completed') this.speaker.end(turn);
    for (const event of this.turns.ends(turn, outcome)) this.tell(event);
  }

  do_flush({ turn, outcome = 'interrupted' }) {
    this.turns.cut(turn, outcome, this.clock());
    this.speaker.flush(turn);
  }

  do_tool(call) {
    this.tools.call(call, this.token);
  }

  do_cancel({ ids }) {
    this.tools.cancel(ids);
  }

  do_leave({ within }) {
    this.leaveAt = Math.min(this.leaveAt, this.clock() + Math.max(within, LEAVE_MARGIN));
  }
}

function timeUp() {
  return Object.assign(new Error('the time of this session is up'), { kind: 'session-over' });
}
