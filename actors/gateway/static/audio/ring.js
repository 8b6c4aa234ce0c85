/**
 * What waits to be played, at 24 kHz, and what was heard of it. Pure: a worklet pulls, tests pull too.
 *
 * Sound comes much faster than it plays, so there is room for minutes. Every chunk has a turn; a flush fades out within
 * a few milliseconds what sounds, and lets go of that turn and all before it, also of chunks yet to come. Each chunk
 * may have a position in a longer stream; `position` tells where in that stream the ear is.
 */

import { OUTPUT_RATE, toFloats } from './pcm.js';

const MOST_SECONDS = 22 * 60;
const FIRST_LEAD = 0.06; // seconds that wait before sound begins, so that a late chunk leaves no gap
const LONGEST_LEAD = 0.48;
const FADE_MS = 5; // shorter than 3 ms is heard as a click

export class PlayRing {
  constructor() {
    this.chunks = [];
    this.offset = 0; // samples of the first chunk already played
    this.buffered = 0;
    this.position = 0;
    this.underruns = 0;
    this.overflow = 0; // samples there was no room for
    this.stale = -1; // turns up to this one are not played
    this.turn = -1; // the turn that sounds, or sounded last
    this.heard = new Map(); // samples heard, by turn
    this.events = []; // what there is to tell: whoever owns the ring empties it
    this.tail = null; // what is left of a fade
    this.tailAt = 0;
    this.lead = FIRST_LEAD;
    this.playing = false;
    this.expecting = false;
    this.waited = 0; // samples of silence since something waits to begin
    this.gain = 1;
    this.goal = 1;
    this.slope = 0;
    this.last = 0;
  }

  /** Takes a chunk of 16-bit samples; `position` is where it lies in the stream, by default behind the one before. */
  push(turn, samples, position = null) {
    if (turn <= this.stale || samples.length === 0) return;
    if (this.buffered + samples.length > MOST_SECONDS * OUTPUT_RATE) {
      this.overflow += samples.length;
      return;
    }
    const last = this.chunks.at(-1);
    const follows = last ? last.position + last.samples.length : this.position;
    this.chunks.push({ turn, samples, position: position ?? follows });
    this.buffered += samples.length;
    this.expecting = true;
  }

  /** All sound of the turn is here: nothing more needs to be waited for. Told when it has been heard. */
  end(turn) {
    if (turn <= this.stale) return;
    this.expecting = false;
    this.chunks.push({ turn, samples: new Int16Array(0), position: this.position, ends: true });
    if (this.buffered === 0) this.#skipEmpty();
  }

  /**
   * Ends the sound of `turn` and all before it by a fade; gives the position where it ends. With `onward`, chunks of
   * such turns that come later are played again: the sender promises that none is on its way.
   */
  flush(turn, fadeMs = FADE_MS, onward = false) {
    const length = Math.round((OUTPUT_RATE * fadeMs) / 1000);
    const first = this.chunks.find((chunk) => chunk.samples.length > 0);
    if (first && first.turn > turn) {
      if (!onward) this.stale = Math.max(this.stale, turn);
      return this.position;
    }
    const wasPlaying = this.playing;
    const faded = new Float32Array(wasPlaying ? length : 0);
    const own = this.buffered === 0 ? 0 : this.#take(faded, turn);
    faded.fill(this.last, own);
    for (let i = 0; i < faded.length; i++) faded[i] *= 1 - (i + 1) / (length + 1);
    const kept = this.chunks.filter((chunk) => chunk.turn > turn);
    this.offset = kept[0] === this.chunks[0] ? this.offset : 0;
    this.chunks = kept;
    this.buffered = kept.reduce((sum, chunk) => sum + chunk.samples.length, 0) - this.offset;
    this.tail = faded.some((value) => value !== 0) ? faded : null;
    this.tailAt = 0;
    this.playing = false;
    this.expecting = this.buffered > 0;
    this.waited = 0;
    this.lead = FIRST_LEAD;
    if (!onward) this.stale = Math.max(this.stale, turn);
    this.events.push({ type: 'flushed', turn, heard: this.heard.get(this.turn) ?? 0, sounding: this.turn });
    return this.position;
  }

  /** Lets the loudness glide to `gain` within `ms`. */
  duck(gain, ms) {
    this.goal = gain;
    this.slope = (gain - this.gain) / Math.max(1, (OUTPUT_RATE * ms) / 1000);
  }

  /** Fills `out` with the next samples, then silence; gives how many are sound. */
  read(out) {
    let filled = this.#readTail(out);
    if (filled < out.length && this.#ready(out.length)) {
      const rest = out.subarray(filled);
      const count = this.#take(rest, Infinity);
      filled += count;
      if (count < rest.length) this.#ranDry();
    }
    out.fill(0, filled);
    this.#glide(out);
    return filled;
  }

  #readTail(out) {
    if (this.tail === null) return 0;
    const count = Math.min(out.length, this.tail.length - this.tailAt);
    out.set(this.tail.subarray(this.tailAt, this.tailAt + count));
    this.tailAt += count;
    if (this.tailAt === this.tail.length) this.tail = null;
    return count;
  }

  /** Whether sound may begin, or go on: the lead is there, everything is there, or it was waited for long enough. */
  #ready(asked) {
    if (this.playing) return true;
    if (this.buffered === 0) return false;
    this.waited += asked;
    const lead = this.lead * OUTPUT_RATE;
    this.playing = this.buffered >= lead || !this.expecting || this.waited >= 2 * lead;
    return this.playing;
  }

  #take(out, turn) {
    let filled = 0;
    while (filled < out.length && this.chunks.length > 0 && this.chunks[0].turn <= turn) {
      const chunk = this.chunks[0];
      const count = Math.min(out.length - filled, chunk.samples.length - this.offset);
      toFloats(chunk.samples, this.offset, count, out, filled);
      this.#count(chunk, count);
      filled += count;
      if (this.offset === chunk.samples.length) this.#skipEmpty();
    }
    if (filled > 0) this.last = out[filled - 1];
    return filled;
  }

  #count(chunk, count) {
    if (count === 0) return;
    if (!this.heard.has(chunk.turn)) {
      this.events.push({ type: 'began', turn: chunk.turn });
      for (const known of this.heard.keys()) if (known < chunk.turn - 4) this.heard.delete(known);
      this.heard.set(chunk.turn, 0);
    }
    this.turn = chunk.turn;
    this.heard.set(chunk.turn, this.heard.get(chunk.turn) + count);
    this.offset += count;
    this.buffered -= count;
    this.position = chunk.position + this.offset;
  }

  /** Lets go of chunks that were played whole, and tells the ends among them. */
  #skipEmpty() {
    while (this.chunks.length > 0 && this.offset === this.chunks[0].samples.length) {
      const chunk = this.chunks.shift();
      this.offset = 0;
      if (chunk.ends) this.events.push({ type: 'ended', turn: chunk.turn, heard: this.heard.get(chunk.turn) ?? 0 });
    }
  }

  #ranDry() {
    this.playing = false;
    this.waited = 0;
    this.last = 0;
    if (this.expecting) {
      this.underruns += 1;
      this.lead = Math.min(2 * this.lead, LONGEST_LEAD);
    }
    this.events.push({ type: 'dry', turn: this.turn });
  }

  #glide(out) {
    if (this.gain === this.goal && this.gain === 1) return;
    for (let i = 0; i < out.length; i++) {
      if (this.gain !== this.goal) {
        const next = this.gain + this.slope;
        this.gain = this.slope < 0 ? Math.max(this.goal, next) : Math.min(this.goal, next);
      }
      out[i] *= this.gain;
    }
  }
}
