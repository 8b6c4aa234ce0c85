/** The sources of a grounded reply: numbered titles and links, and the service's own further searches. Pure. */

export class Sources {
  constructor() {
    this.turn = -1;
    this.sources = [];
    this.queries = [];
    this.suggestions = null;
  }

  /** Takes the metadata of one message; gives the event to tell if there is anything new in it, else null. */
  found(turn, metadata) {
    if (turn !== this.turn) Object.assign(this, { turn, sources: [], queries: [], suggestions: null });
    const before = JSON.stringify([this.sources, this.suggestions]);
    for (const { web } of metadata.groundingChunks ?? []) {
      if (!isLink(web?.uri) || this.sources.some(({ uri }) => uri === web.uri)) continue;
      this.sources.push({ number: this.sources.length + 1, title: web.title || new URL(web.uri).hostname, uri: web.uri });
    }
    for (const query of metadata.webSearchQueries ?? []) if (!this.queries.includes(query)) this.queries.push(query);
    this.suggestions = metadata.searchEntryPoint?.renderedContent || this.suggestions;
    if (JSON.stringify([this.sources, this.suggestions]) === before) return null;
    const { sources, queries, suggestions } = this;
    return { event: 'sources', turn, sources: [...sources], queries: [...queries], suggestions };
  }
}

/** Whether a source's address is one that a page may link to. */
export function isLink(uri) {
  try {
    return ['http:', 'https:'].includes(new URL(uri).protocol);
  } catch {
    return false;
  }
}
