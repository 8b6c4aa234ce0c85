/**
 * The microphone's side of a relayed conversation: what was said, from the first sample that may be needed again. Pure.
 *
 * Positions count 16 kHz samples since the conversation began, across reloads: the gateway says where to begin.
 */

import { INPUT_RATE } from '../audio/pcm.js';

const LONGEST = 120 * INPUT_RATE;

export class Voice {
  constructor() {
    this.blocks = [];
    this.end = 0; // the position after the last block
    this.sent = 0; // the position from which on nothing was sent yet
    this.begun = false;
    this.lost = 0;
  }

  /** Takes a block of the microphone. */
  hear(samples) {
    this.blocks.push({ position: this.end, samples });
    this.end += samples.length;
    this.#trim(this.end - LONGEST, true);
  }

  /** The gateway wants what comes from this position on; a new page takes it as its own beginning. */
  resume(position) {
    if (!this.begun) {
      for (const block of this.blocks) block.position += position;
      this.end += position;
      this.begun = true;
    }
    this.sent = position;
  }

  /** The gateway needs nothing before this position any more. */
  settled(position) {
    this.#trim(position, false);
  }

  /** Takes the next block to send, undefined where there is none. */
  next() {
    const block = this.blocks.find(({ position, samples }) => position + samples.length > this.sent);
    if (block) this.sent = block.position + block.samples.length;
    return block;
  }

  #trim(position, loses) {
    while (this.blocks.length > 0 && this.blocks[0].position + this.blocks[0].samples.length <= position) {
      const gone = this.blocks.shift();
      if (loses && gone.position >= this.sent) this.lost += gone.samples.length;
    }
  }
}
