/** The tools of a direct conversation: each call runs at the gateway, and is answered, or cancelled, once. */

export class Tools {
  /** `api.call` runs one; `answer({id, response, scheduling})` takes what the model is told. */
  constructor(api, tell, clock, answer) {
    Object.assign(this, { api, tell, clock, answer });
    this.running = new Map(); // id -> AbortController
  }

  /** Starts a call; whatever becomes of it, there is one tool.result. */
  async call({ id, name, args }, token) {
    const since = this.clock();
    const stopping = new AbortController();
    this.running.set(id, stopping);
    this.tell({ event: 'tool.call', id, name, args });
    let outcome = 'error';
    let detail;
    try {
      const { response, scheduling, outcome: came = 'ok' } = await this.api.call(name, { id, args }, token, stopping.signal);
      outcome = came;
      detail = response;
      if (!stopping.signal.aborted) this.answer({ id, response, scheduling });
    } catch (error) {
      detail = { error: error.message };
      if (!stopping.signal.aborted) this.answer({ id, response: detail });
    }
    this.running.delete(id);
    if (stopping.signal.aborted) outcome = 'cancelled';
    this.tell({ event: 'tool.result', id, name, ms: Math.round((this.clock() - since) * 1000), outcome, detail });
  }

  /** Nobody waits for these any more. */
  cancel(ids) {
    for (const id of ids) this.running.get(id)?.abort();
  }
}
