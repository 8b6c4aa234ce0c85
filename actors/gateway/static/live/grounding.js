/** The sources of a grounded reply: numbered titles and links, and the service's own further searches. Pure. */

/** Where a grounding chunk may hold its source, as in tools/search.py. */
const KINDS = ['web', 'retrievedContext', 'maps'];

export class Sources {
  constructor() {
    this.turn = -1;
    this.sources = [];
    this.supports = [];
    this.queries = [];
    this.suggestions = null;
  }

  /** Takes the metadata of one message; gives the event to tell if there is anything new in it, else null. */
  found(turn, metadata) {
    if (turn !== this.turn) Object.assign(this, { turn, sources: [], supports: [], queries: [], suggestions: null });
    const before = JSON.stringify([this.sources, this.supports, this.suggestions]);
    const numbers = new Map();
    for (const [index, chunk] of list(metadata.groundingChunks).entries()) {
      const number = this.#cite(KINDS.map((kind) => chunk?.[kind]).find((source) => source && typeof source === 'object'));
      if (number) numbers.set(index, number);
    }
    for (const support of list(metadata.groundingSupports)) this.#support(support, numbers);
    for (const query of list(metadata.webSearchQueries)) if (!this.queries.includes(query)) this.queries.push(query);
    this.suggestions = text(metadata.searchEntryPoint?.renderedContent) || this.suggestions;
    if (JSON.stringify([this.sources, this.supports, this.suggestions]) === before) return null;
    const { sources, supports, queries, suggestions } = this;
    return { event: 'sources', turn, sources: [...sources], supports: [...supports], queries: [...queries], suggestions };
  }

  /** Gives the number of a source, each of which has one; nothing where there is none. */
  #cite(source) {
    if (!source) return 0;
    const uri = isLink(text(source.uri)) ? text(source.uri) : '';
    const title = (text(source.title) || text(source.domain) || (uri && new URL(uri).hostname)).replace(/\s+/g, ' ');
    if (!title) return 0;
    const known = this.sources.find((other) => (uri ? other.uri === uri : !other.uri && other.title === title));
    if (known) return known.number;
    this.sources.push({ number: this.sources.length + 1, title, uri });
    return this.sources.length;
  }

  #support(support, numbers) {
    const said = text(support?.segment?.text);
    const cited = [...new Set(list(support?.groundingChunkIndices).map((index) => numbers.get(index)).filter(Boolean))];
    if (said && cited.length > 0) this.supports.push({ text: said, numbers: cited });
  }
}

const list = (value) => (Array.isArray(value) ? value : []);
const text = (value) => (typeof value === 'string' ? value.trim() : '');

/** Whether a source's address is one that a page may link to. */
export function isLink(uri) {
  try {
    return ['http:', 'https:'].includes(new URL(uri).protocol);
  } catch {
    return false;
  }
}
