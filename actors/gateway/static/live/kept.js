/**
 * What the user said and the service has not answered for yet: a log with a cursor, bounded in samples.
 *
 * Sending walks the cursor through the log, an answer trims its head, a new link moves the cursor back to the head.
 * Silence ahead of the first utterance is not sent again.
 */

import { INPUT_RATE } from '../audio/pcm.js';

const LONGEST = 120 * INPUT_RATE; // samples
const PRE_ROLL = 10; // blocks before the one in which speech was recognised: its first sounds are soft

export class Kept {
  constructor(longest = LONGEST) {
    this.longest = longest;
    this.items = [];
    this.cursor = 0;
    this.answered = 0;
    this.samples = 0;
    this.lostMs = 0;
  }

  /** Takes an item to the end: `{samples}`, `{text}` or `{ends: true}`; `onset` where speech was found to begin. */
  keep(item) {
    this.items.push(item);
    this.samples += size(item);
    while (this.samples > this.longest) this.#dropOldest();
  }

  /** Gives the item at the cursor, undefined at the end. */
  next() {
    return this.items[this.cursor];
  }

  /** The item at the cursor is on the wire. */
  advance() {
    this.cursor = Math.min(this.cursor + 1, this.items.length);
  }

  /** The service answers: everything sent is answered for, except an utterance that is still going on. */
  answerBegins(speaking) {
    let until = this.cursor;
    if (speaking) {
      const onset = this.items.findLastIndex((item, index) => index < this.cursor && item.onset);
      if (onset >= 0) until = Math.max(0, onset - PRE_ROLL);
    }
    this.answered = until;
  }

  /** The answer is complete: what it answers is let go of. */
  settle() {
    this.#drop(Math.min(this.answered, this.cursor));
    this.lostMs = 0;
  }

  /** Moves the cursor to the first item worth sending again; gives the milliseconds of audio from there on. */
  rewind() {
    const first = this.items.findIndex((item) => item.onset || item.text !== undefined);
    this.#drop(first < 0 ? this.cursor : Math.max(0, first - (this.items[first].onset ? PRE_ROLL : 0)));
    this.cursor = 0;
    return milliseconds(this.samples);
  }

  #drop(count) {
    for (const item of this.items.splice(0, count)) this.samples -= size(item);
    this.cursor = Math.max(0, this.cursor - count);
    this.answered = Math.max(0, this.answered - count);
  }

  #dropOldest() {
    const index = this.items.findIndex((item) => item.samples);
    const [gone] = this.items.splice(index, 1);
    if (gone.onset && this.items[index]?.samples) this.items[index].onset = true;
    if (index < this.cursor) this.cursor -= 1;
    if (index < this.answered) this.answered -= 1;
    this.samples -= size(gone);
    this.lostMs += milliseconds(size(gone));
  }
}

function size(item) {
  return item.samples ? item.samples.length : 0;
}

function milliseconds(samples) {
  return (1000 * samples) / INPUT_RATE;
}
