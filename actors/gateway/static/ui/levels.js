/** The two level meters and the orb: they rise at once and fall slowly, as an eye expects. */

import { meter } from '../audio/pcm.js';
import { $ } from './dom.js';

const FALL = 0.86; // a frame
const SPOKEN_EVERY = 500; // milliseconds between two values for assistive technology

export class Levels {
  constructor() {
    this.bars = { mic: $('mic-level'), reply: $('reply-level') };
    this.targets = { mic: 0, reply: 0 };
    this.shown = { mic: 0, reply: 0 };
    this.toldAt = 0;
    this.running = false;
  }

  /** Takes a loudness (RMS) of `mic` or `reply`. */
  take(which, rms) {
    this.targets[which] = meter(rms);
    if (!this.running) {
      this.running = true;
      requestAnimationFrame((now) => this.#draw(now));
    }
  }

  /** Shows silence on both. */
  rest() {
    Object.assign(this.targets, { mic: 0, reply: 0 });
  }

  #draw(now) {
    const tell = now - this.toldAt > SPOKEN_EVERY;
    if (tell) this.toldAt = now;
    let moving = false;
    for (const [which, bar] of Object.entries(this.bars)) {
      const level = Math.max(this.targets[which], this.shown[which] * FALL);
      this.shown[which] = level < 0.01 ? 0 : level;
      this.targets[which] *= FALL;
      bar.style.setProperty('--level', this.shown[which].toFixed(3));
      document.body.style.setProperty(`--${which}`, this.shown[which].toFixed(3));
      if (tell || this.shown[which] === 0) bar.setAttribute('aria-valuenow', String(Math.round(100 * this.shown[which])));
      moving ||= this.shown[which] > 0;
    }
    this.running = moving;
    if (moving) requestAnimationFrame((later) => this.#draw(later));
  }
}
