/** A TCP line to a server that can be cut and mended: a network as a browser has it. */

import { connect, createServer } from 'node:net';

export class Line {
  /** Listens on `port` (0: any) of this machine and leads to `target`, a port of the same. */
  static async to(target, port = 0) {
    const line = new Line(target);
    await new Promise((resolve) => line.server.listen(port, '127.0.0.1', resolve));
    line.port = line.server.address().port;
    return line;
  }

  constructor(target) {
    this.target = target;
    this.whole = true;
    this.ends = new Set();
    this.server = createServer((near) => this.#join(near));
  }

  /** Breaks every connection, and lets none through. */
  cut() {
    this.whole = false;
    for (const end of this.ends) end.destroy();
  }

  /** Lets connections through again. */
  mend() {
    this.whole = true;
  }

  /** Ends the line. */
  close() {
    this.cut();
    this.server.close();
  }

  #join(near) {
    if (!this.whole) {
      near.destroy();
      return;
    }
    const far = connect(this.target, '127.0.0.1');
    for (const [end, other] of [[near, far], [far, near]]) {
      this.ends.add(end);
      end.on('error', () => {});
      end.on('close', () => {
        this.ends.delete(end);
        other.destroy();
      });
      end.pipe(other);
    }
  }
}
