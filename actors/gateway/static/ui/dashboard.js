/** The gateway's numbers, looked at every two seconds while they are shown. */

import * as api from '../api.js';
import { $, make } from './dom.js';
import { problem, span } from './words.js';

const PERIOD = 2000;

export class Dashboard {
  constructor() {
    this.timer = null;
  }

  /** Shows numbers from now on. */
  show() {
    this.hide();
    this.#look();
    this.timer = setInterval(() => this.#look(), PERIOD);
  }

  /** Shows them no longer. */
  hide() {
    clearInterval(this.timer);
  }

  async #look() {
    try {
      this.#draw(await api.dashboard());
      $('dashboard-note').textContent = '';
    } catch (error) {
      const { title, text } = problem(error);
      $('dashboard-note').textContent = `${title}. ${text}`;
    }
  }

  #draw({ since, sessions, tokens, turns, errors, latency_ms: latency, health }) {
    const ms = (value) => (value === null || value === undefined ? '–' : span(value));
    figures({
      'Open conversations': sessions.open,
      'Begun here': sessions.begun_here,
      'Tokens given': tokens.given,
      'Tokens refused': tokens.refused,
      'Turns': turns,
      'Reply after (median)': ms(latency.p50),
      'Reply after (90 %)': ms(latency.p90),
      'Reply after (99 %)': ms(latency.p99),
      'Running since': new Date(since).toLocaleString(),
    });
    rows($('health'), Object.entries(health.parts), 'Nothing is known.');
    rows($('errors'), Object.entries(errors), 'None so far.');
  }
}

function figures(values) {
  const list = $('figures');
  const drawn = Object.entries(values).map(([name, value]) =>
    make('div', {}, make('dt', { textContent: name }), make('dd', { textContent: String(value) })),
  );
  list.replaceChildren(...drawn);
}

function rows(table, entries, nothing) {
  const drawn = entries.map(([name, value]) =>
    make('tr', {}, make('th', { scope: 'row', textContent: name }), make('td', { textContent: String(value) })),
  );
  const [body] = table.tBodies;
  body.replaceChildren(...(drawn.length > 0 ? drawn : [make('tr', {}, make('td', { textContent: nothing }))]));
}
