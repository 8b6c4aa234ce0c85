/** The conversation in words: both sides as they form, their sources, and the tools between them. */

import { isLink } from '../live/grounding.js';
import { $, make } from './dom.js';
import { OUTCOMES, span } from './words.js';

const NAMES = { user: 'You', model: 'Assistant' };
const NEAR_END = 80; // pixels from the end within which the list follows what is new
const TICK = 100;

export class Transcript {
  constructor() {
    this.list = $('transcript');
    this.open = { user: null, model: null };
    this.models = new Map(); // turn -> entry of the assistant's
    this.cards = new Map(); // call id -> card
    this.latencies = new Map();
  }

  /** Takes an event, if it is one for the transcript. */
  take(event) {
    const follow = this.#atEnd();
    this[`on_${event.event.replaceAll('.', '_')}`]?.(event);
    if (follow) this.#scroll();
  }

  /** Empties the list. */
  clear() {
    for (const card of this.cards.values()) clearInterval(card.timer);
    this.list.replaceChildren();
    $('usage').hidden = $('latency').hidden = true;
    this.open = { user: null, model: null };
    for (const map of [this.models, this.cards, this.latencies]) map.clear();
  }

  on_transcript({ who, text, final, turn }) {
    if (who === 'model' && this.open.model && this.open.model.turn !== turn) this.open.model = null;
    const entry = (this.open[who] ??= this.#entry(who, turn));
    entry.words.textContent = final ? text : entry.words.textContent + text;
    entry.item.classList.toggle('forming', !final);
    if (who === 'model' && turn !== undefined) this.models.set(turn, entry);
    if (!final) return;
    this.open[who] = null;
    $('announce').textContent = `${NAMES[who]}: ${text}`;
  }

  on_turn_first_audio({ turn, latency_ms: latency }) {
    if (latency === null || latency === undefined) return;
    this.latencies.set(turn, latency);
    this.#showLatency(turn);
    $('latency').textContent = `Reply after ${span(latency)}`;
    $('latency').hidden = false;
  }

  on_usage({ totalTokenCount: total }) {
    if (!Number.isFinite(total)) return;
    $('usage').textContent = `${total.toLocaleString('en')} tokens`;
    $('usage').hidden = false;
  }

  on_turn_end({ turn, outcome }) {
    const entry = this.models.get(turn);
    if (entry && outcome !== 'completed') entry.note.textContent = outcome === 'interrupted' ? 'interrupted' : 'cut off, comes again';
    entry?.item.classList.toggle('cut', outcome !== 'completed');
    this.#showLatency(turn);
  }

  on_sources({ turn, sources, suggestions }) {
    const entry = this.models.get(turn) ?? this.open.model ?? (this.open.model = this.#entry('model', turn));
    this.models.set(turn, entry);
    const items = sources.map(({ number, title, uri }) =>
      make('li', { value: number }, isLink(uri) ? make('a', { href: uri, target: '_blank', rel: 'noopener noreferrer', textContent: title }) : title),
    );
    entry.sources.replaceChildren(...(items.length > 0 ? [make('ol', { ariaLabel: 'Sources' }, ...items)] : []));
    if (suggestions) entry.sources.append(searches(suggestions));
  }

  on_tool_call({ id, name, args }) {
    const time = make('span', { className: 'time', textContent: '0.0 s' });
    const outcome = make('span', { className: 'outcome', textContent: 'running' });
    const given = Object.entries(args ?? {}).flatMap(([key, value]) => [
      make('dt', { textContent: key }),
      make('dd', { textContent: typeof value === 'string' ? value : JSON.stringify(value) }),
    ]);
    const item = make(
      'li',
      { className: 'tool', data: { outcome: 'running', tool: name } },
      make('p', { className: 'head' }, make('strong', { textContent: plain(name) }), outcome, time),
      given.length > 0 ? make('dl', {}, ...given) : null,
    );
    const since = performance.now();
    const timer = setInterval(() => (time.textContent = span10((performance.now() - since) / 1000)), TICK);
    this.cards.set(id, { item, time, outcome, timer });
    this.list.append(item);
  }

  on_tool_result({ id, name, ms, outcome }) {
    const card = this.cards.get(id);
    if (!card) return;
    clearInterval(card.timer);
    card.time.textContent = span(ms);
    card.outcome.textContent = OUTCOMES[outcome] ?? outcome;
    card.item.dataset.outcome = outcome;
    $('announce').textContent = `${plain(name)} ${card.outcome.textContent}`;
  }

  on_session_resumed({ gap_ms: gap, replayed_ms: replayed, lost_ms: lost }) {
    const sent = replayed > 0 ? `; ${span(replayed)} of what you said was sent again` : '';
    this.#note(`Reconnected after ${span(gap)}${sent}${lost > 0 ? `, ${span(lost)} could not be kept` : ''}.`);
  }

  on_notice({ text }) {
    this.#note(text);
  }

  #note(text) {
    this.list.append(make('li', { className: 'note', textContent: text }));
  }

  #entry(who, turn) {
    const words = make('p', { className: 'said' });
    const note = make('span', { className: 'remark' });
    const sources = make('div', { className: 'sources' });
    const item = make(
      'li',
      { className: `entry ${who} forming` },
      make('p', { className: 'who' }, NAMES[who], ' ', note),
      words,
      sources,
    );
    this.list.append(item);
    const entry = { item, words, note, sources, turn };
    if (who === 'model') {
      this.models.set(turn, entry);
      this.#showLatency(turn);
    }
    return entry;
  }

  #showLatency(turn) {
    const entry = this.models.get(turn);
    if (entry && !entry.note.textContent && this.latencies.has(turn)) {
      entry.note.textContent = span(this.latencies.get(turn));
      entry.note.title = 'From your last word to the first sound';
    }
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.list.parentElement;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #scroll() {
    const { parentElement: box } = this.list;
    box.scrollTop = box.scrollHeight;
  }
}

/**
 * The service's further searches, shown as they come, as its terms ask: in a frame that runs no script. The page's own
 * policy holds in it, so its styles are put in as the page would, and links open beside.
 */
function searches(html) {
  const frame = make('iframe', { className: 'searches', title: 'Further searches', loading: 'eager' });
  frame.setAttribute('sandbox', 'allow-same-origin allow-popups allow-popups-to-escape-sandbox');
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  const styles = [...parsed.querySelectorAll('style')].map((style) => style.textContent).join('\n');
  for (const gone of parsed.querySelectorAll('style, script, link, meta, base, iframe, object, embed, form')) gone.remove();
  for (const element of parsed.querySelectorAll('*')) {
    for (const { name } of [...element.attributes]) if (name === 'style' || name.startsWith('on')) element.removeAttribute(name);
  }
  for (const link of parsed.querySelectorAll('a')) {
    if (!isLink(link.href)) link.removeAttribute('href');
    Object.assign(link, { target: '_blank', rel: 'noopener noreferrer' });
  }
  frame.srcdoc = `<!doctype html><html lang="en"><head><title>Further searches</title></head><body>${parsed.body.innerHTML}</body></html>`;
  frame.addEventListener('load', () => {
    const { contentDocument: inside, contentWindow: view } = frame;
    const sheet = new view.CSSStyleSheet();
    sheet.replaceSync(`body{margin:0;font:14px/1.4 system-ui,sans-serif}\n${styles}`);
    inside.adoptedStyleSheets = [sheet];
    frame.style.height = `${Math.min(240, inside.documentElement.scrollHeight)}px`;
  });
  return frame;
}

function plain(name) {
  const words = name.replace(/[_.:-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function span10(seconds) {
  return `${seconds.toFixed(1)} s`;
}
