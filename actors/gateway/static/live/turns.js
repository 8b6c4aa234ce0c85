/** What was heard of each reply, as events: the first sound, an interruption, the end. Pure; times in seconds. */

import { OUTPUT_RATE } from '../audio/pcm.js';

export class Turns {
  constructor() {
    this.open = new Map(); // turn -> {answers, sounded, outcome, flushedAt}
  }

  /** Sound of a turn is on its way; `answers` is when the words that it answers ended, null if unknown. */
  sounds(turn, answers) {
    if (!this.open.has(turn)) this.open.set(turn, { answers, began: false, outcome: null, cutAt: null });
  }

  /** Nothing more comes for the turn; an end that waits for its last sound to be heard is told later. */
  ends(turn, outcome) {
    const known = this.open.get(turn);
    if (!known) return [{ event: 'turn.end', turn, heard_ms: 0, outcome }];
    known.outcome ??= outcome;
    return known.heard === undefined ? [] : this.#end(turn, known, known.heard);
  }

  /** The turn is being silenced since `now`, to end as `outcome`. */
  cut(turn, outcome, now) {
    for (const [number, known] of this.open) if (number <= turn) Object.assign(known, { cutAt: now, outcome });
  }

  /** Takes what the play ring has to tell. */
  heard(events, now) {
    return events.flatMap((event) => this[`on_${event.type}`]?.(event, now) ?? []);
  }

  on_began({ turn }, now) {
    const known = this.open.get(turn);
    if (!known || known.began) return [];
    known.began = true;
    const latency = known.answers === null ? null : Math.max(0, Math.round((now - known.answers) * 1000));
    return [{ event: 'turn.first_audio', turn, latency_ms: latency }];
  }

  on_ended({ turn, heard }) {
    const known = this.open.get(turn);
    if (!known) return [];
    known.heard = heard;
    return known.outcome === null ? [] : this.#end(turn, known, heard);
  }

  on_flushed({ turn, heard, sounding }, now) {
    const told = [];
    for (const [number, known] of [...this.open]) {
      if (number > turn) continue;
      const samples = number === sounding ? heard : 0;
      if (known.outcome === 'interrupted') {
        const silent = known.cutAt === null ? 0 : Math.round((now - known.cutAt) * 1000);
        told.push({ event: 'turn.interrupted', turn: number, heard_ms: milliseconds(samples), silent_after_ms: silent });
      }
      told.push(...this.#end(number, known, samples));
    }
    return told;
  }

  #end(turn, known, heard) {
    this.open.delete(turn);
    return [{ event: 'turn.end', turn, heard_ms: milliseconds(heard), outcome: known.outcome ?? 'interrupted' }];
  }
}

function milliseconds(samples) {
  return Math.round((1000 * samples) / OUTPUT_RATE);
}
