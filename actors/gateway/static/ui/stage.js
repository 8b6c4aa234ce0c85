/** The stage: the state in words, the buttons that make sense in it, and what is wrong, if anything is. */

import { $, make } from './dom.js';
import { problem, STATES } from './words.js';

const OPEN = new Set(['CONNECTING', 'CONNECTED', 'INTERRUPTED', 'CLOSING', 'RECONNECTING']);

export class Stage {
  constructor() {
    this.session = 'DISCONNECTED';
    this.begun = false; // whether a conversation has stood, so that a loss of it is a reconnection
    this.away = false;
    this.tools = new Set();
    this.sounding = false;
    this.muted = false;
    this.counting = null;
    this.show();
  }

  /** Takes an event, if it changes what the state is. */
  take(event) {
    const { event: name } = event;
    if (name === 'session.state') this.#move(event.to);
    else if (name === 'link') this.away = event.state === 'lost';
    else if (name === 'turn.first_audio') this.sounding = true;
    else if (name === 'turn.end' || name === 'turn.interrupted') this.sounding = false;
    else if (name === 'tool.call') this.tools.add(event.id);
    else if (name === 'tool.result') this.tools.delete(event.id);
    else return;
    this.show();
  }

  /** Starts from the beginning. */
  reset(session = 'DISCONNECTED') {
    Object.assign(this, { session, begun: false, away: false, sounding: false, muted: false });
    this.tools.clear();
    this.show();
  }

  /** The state as the page shows it: one of the session's six, or RECONNECTING. */
  get state() {
    const broken = this.begun && ['DISCONNECTED', 'CONNECTING'].includes(this.session);
    return this.away || broken ? 'RECONNECTING' : this.session;
  }

  show() {
    const { state } = this;
    const busy = state !== 'CONNECTED' ? null : this.sounding ? 'SPEAKING' : this.tools.size > 0 ? 'THINKING' : null;
    const mood = busy ?? (state === 'CONNECTED' && this.muted ? 'MUTED' : state);
    const [words, hint] = STATES[mood];
    if ($('state').textContent !== words) {
      $('state').textContent = words;
      if (!busy) $('announce').textContent = words;
    }
    $('hint').textContent = hint;
    Object.assign(document.body.dataset, { state, mood });
    const open = OPEN.has(state);
    $('connect').hidden = open;
    $('end').hidden = !open;
    $('mute').hidden = $('hush').hidden = $('typing').hidden = !open || state === 'CONNECTING';
    $('hush').disabled = !this.sounding;
  }

  /** Says what is wrong; `actions` are `[label, function]`. A wait is counted down, and the way on opens at its end. */
  complain(error, actions = []) {
    clearInterval(this.counting);
    const { title, text } = problem(error);
    $('problem-title').textContent = title;
    const buttons = actions.map(([label, act], index) => {
      const button = make('button', { type: 'button', className: index === 0 ? 'primary' : '', textContent: label });
      button.addEventListener('click', act);
      return button;
    });
    $('problem-actions').replaceChildren(...buttons);
    $('problem-text').textContent = text;
    $('problem').hidden = false;
    $('problem').dataset.kind = error.kind ?? 'unknown';
    if (error.retryAfter) this.#countDown(error.retryAfter, text, buttons);
  }

  /** Nothing is wrong any more. */
  content() {
    clearInterval(this.counting);
    $('problem').hidden = true;
    $('connect').disabled = false;
  }

  #countDown(seconds, text, buttons) {
    const until = Date.now() + 1000 * seconds;
    const show = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      const closed = left > 0;
      for (const button of [$('connect'), ...buttons]) button.disabled = closed;
      $('problem-text').textContent = closed ? `${text} You can try again in ${left} s.` : `${text} You can try again now.`;
      if (!closed) clearInterval(this.counting);
    };
    this.counting = setInterval(show, 250);
    show();
  }

  #move(to) {
    this.session = to;
    if (to === 'CONNECTED') this.begun = true;
    if (to === 'CLOSED') Object.assign(this, { begun: false, away: false, sounding: false });
  }
}
