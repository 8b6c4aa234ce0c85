/** The speaker's end in the audio thread: plays a ring of 24 kHz sound at the device's rate, and tells what was heard. */

import { loudness, OUTPUT_RATE } from './pcm.js';
import { Resampler } from './resampler.js';
import { PlayRing } from './ring.js';

const PIECE = 64; // samples taken off the ring at a time
const REPORT_PERIOD = 0.05; // seconds between two reports of level and position

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new PlayRing();
    this.resampler = new Resampler(OUTPUT_RATE, sampleRate);
    this.piece = new Float32Array(PIECE);
    this.waiting = new Float32Array(0);
    this.sum = 0;
    this.count = 0;
    this.reportAt = 0;
    this.silent = true;
    this.told = 0;
    this.ended = false;
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  #obey(told) {
    if (told.type === 'push') this.ring.push(told.turn, told.samples, told.position);
    else if (told.type === 'end') this.ring.end(told.turn);
    else if (told.type === 'duck') this.ring.duck(told.gain, told.ms);
    else if (told.type === 'close') this.ended = true;
    else if (told.type === 'flush') {
      const position = this.ring.flush(told.turn, told.fadeMs, told.onward);
      this.port.postMessage({ type: 'flush done', id: told.id, position });
    }
  }

  process(_inputs, [output]) {
    if (this.ended) return false;
    const out = output[0];
    let filled = 0;
    while (filled < out.length) {
      if (this.waiting.length === 0) {
        this.ring.read(this.piece);
        this.waiting = this.resampler.push(this.piece);
      }
      const count = Math.min(out.length - filled, this.waiting.length);
      out.set(this.waiting.subarray(0, count), filled);
      this.waiting = this.waiting.subarray(count);
      filled += count;
    }
    for (let channel = 1; channel < output.length; channel++) output[channel].set(out);
    this.#report(out);
    return true;
  }

  #report(out) {
    const rms = loudness(out);
    this.sum += rms * rms;
    this.count += 1;
    const events = this.ring.events.splice(0);
    if (events.length === 0 && currentTime < this.reportAt) return;
    this.reportAt = currentTime + REPORT_PERIOD;
    const level = Math.sqrt(this.sum / this.count);
    this.sum = this.count = 0;
    const { position, buffered, underruns, overflow } = this.ring;
    // Silence within a reply is played as well: who sends more must learn of it.
    if (level === 0 && this.silent && position === this.told && events.length === 0) return;
    this.silent = level === 0;
    this.told = position;
    this.port.postMessage({ type: 'report', level, position, buffered, underruns, overflow, events });
  }
}

registerProcessor('playback', Playback);
