/**
 * Hears from the loudness of blocks whether someone speaks. Pure; time comes with the blocks, in seconds.
 *
 * It gates nothing: everything goes to the service, whose own detector finds the turns. It tells where an utterance
 * began, for a replay, and when the last sound of one was, for the latency. Better too eager than deaf.
 */

const QUIETEST = 0.004; // RMS below which nothing counts as speech, about -48 dB
const ABOVE_FLOOR = 2.5; // times the background
const RISE = 1.004; // the floor's growth a block: a steady noise is the background after some seconds
const START_BLOCKS = 2;
const END_SECONDS = 0.4;

export class Ear {
  constructor() {
    this.floor = QUIETEST;
    this.run = 0;
    this.speaking = false;
    this.lastAt = null; // the end of the last block with speech in it
  }

  /** Takes a block's loudness and the time of its end; tells 'start' or 'end' when speech does, else null. */
  hear(rms, at) {
    this.floor = rms < this.floor ? Math.max(rms, QUIETEST / 4) : Math.min(this.floor * RISE, rms);
    const loud = rms > Math.max(QUIETEST, ABOVE_FLOOR * this.floor);
    this.run = loud ? this.run + 1 : 0;
    if (this.speaking && loud) this.lastAt = at;
    if (!this.speaking && this.run >= START_BLOCKS) {
      this.speaking = true;
      this.lastAt = at;
      return 'start';
    }
    if (this.speaking && at - this.lastAt >= END_SECONDS) {
      this.speaking = false;
      return 'end';
    }
    return null;
  }
}
