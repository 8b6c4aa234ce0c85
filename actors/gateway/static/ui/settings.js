/** The settings: devices of this machine, and what the gateway offers. What was chosen is remembered in this browser. */

import { devices } from '../audio/microphone.js';
import { $, choices } from './dom.js';

const REMEMBERED = 'settings';
const FIELDS = ['microphone', 'speaker', 'voice', 'language', 'model'];

export class Settings {
  /** `changed(field, value)` is called for a device that is chosen in mid-conversation. */
  constructor(changed) {
    this.chosen = recall();
    this.speakers = typeof AudioContext !== 'undefined' && 'setSinkId' in AudioContext.prototype;
    $('speaker-row').hidden = !this.speakers;
    $('settings-open').addEventListener('click', () => this.#open());
    for (const field of FIELDS) {
      $(field).addEventListener('change', ({ target }) => {
        this.chosen[field] = target.value;
        localStorage.setItem(REMEMBERED, JSON.stringify(this.chosen));
        changed(field, target.value);
      });
    }
    navigator.mediaDevices?.addEventListener?.('devicechange', () => this.refresh());
  }

  /** Takes what the gateway offers. */
  offer({ models, model, voices, voice, languages, language }) {
    const usual = (value) => ({ value: '', label: value ? `As usual here (${value})` : 'As usual here' });
    choices($('model'), [usual(model), ...models.slice(1).map(same)], this.chosen.model ?? '');
    choices($('voice'), [usual(voice), ...voices.map(same)], this.chosen.voice ?? '');
    choices($('language'), [usual(language), ...languages.map(named)], this.chosen.language ?? '');
    $('model-row').hidden = models.length < 2;
  }

  /** Gives what is asked of the gateway. */
  get wish() {
    const asked = ['model', 'voice', 'language'].map((field) => [field, $(field).value]);
    return Object.fromEntries(asked.filter(([, value]) => value));
  }

  /** Gives the chosen device of a kind, '' for the usual one. */
  device(field) {
    return $(field).value;
  }

  /** Looks again at what devices there are. */
  async refresh() {
    for (const [field, kind] of [['microphone', 'audioinput'], ['speaker', 'audiooutput']]) {
      const found = await devices(kind);
      const usual = { value: '', label: found.length > 0 ? 'As usual on this machine' : 'As usual (names come once connected)' };
      choices($(field), [usual, ...found.map(({ id, label }) => ({ value: id, label }))], this.chosen[field] ?? '');
    }
  }

  async #open() {
    await this.refresh();
    $('settings').showModal();
  }
}

function recall() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    return {};
  }
}

function same(value) {
  return { value, label: value };
}

function named(value) {
  try {
    return { value, label: new Intl.DisplayNames(['en'], { type: 'language' }).of(value) };
  } catch {
    return same(value);
  }
}
