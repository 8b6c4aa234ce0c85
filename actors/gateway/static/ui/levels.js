/** The two level meters and the orb: they rise at once and fall slowly, as an eye expects. */

import { meter } from '../audio/pcm.js';
import { $ } from './dom.js';

const PERIOD = 50; // milliseconds between two pictures at least: a page is to leave a phone cool
const FALL = 0.64; // a picture
const SPOKEN_EVERY = 500; // milliseconds between two values for assistive technology

export class Levels {
  constructor() {
    this.bars = { mic: $('mic-level'), reply: $('reply-level') };
    this.orb = $('orb');
    this.targets = { mic: 0, reply: 0 };
    this.shown = { mic: 0, reply: 0 };
    this.drawnAt = 0;
    this.toldAt = 0;
    this.running = false;
  }

  /** Takes a loudness (RMS) of `mic` or `reply`. */
  take(which, rms) {
    this.targets[which] = Math.max(this.targets[which], meter(rms));
    if (!this.running) {
      this.running = true;
      this.#wait();
    }
  }

  /** Shows silence on both. */
  rest() {
    Object.assign(this.targets, { mic: 0, reply: 0 });
  }

  #wait() {
    const passed = performance.now() - this.drawnAt;
    setTimeout(() => requestAnimationFrame((now) => this.#draw(now)), Math.max(0, PERIOD - passed));
  }

  #draw(now) {
    this.drawnAt = now;
    const tell = now - this.toldAt > SPOKEN_EVERY;
    if (tell) this.toldAt = now;
    for (const which of Object.keys(this.bars)) this.#show(which, tell);
    this.running = Object.values(this.shown).some((level) => level > 0);
    if (this.running) this.#wait();
  }

  #show(which, tell) {
    const bar = this.bars[which];
    const falling = Math.max(this.targets[which], this.shown[which] * FALL);
    const level = falling < 0.01 ? 0 : Math.round(100 * falling) / 100;
    this.targets[which] = 0;
    if (level !== this.shown[which]) {
      this.shown[which] = level;
      bar.style.setProperty('--level', level);
      this.orb.style.setProperty(`--${which}`, level);
    }
    if (tell || level === 0) bar.setAttribute('aria-valuenow', String(Math.round(100 * level)));
  }
}
