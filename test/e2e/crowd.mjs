// Guests without a face, who make a room's audience large and small again: listening sessions of a page that plays nothing.

/** The crowd of a room, in a page that has come to it; nobody at first. */
export class Crowd {
  constructor(page) {
    this.page = page;
    this.room = new URL(page.url()).pathname.split('/').pop();
  }

  /** So many guests listen. */
  async come(many) {
    await this.page.evaluate(async ({ many, room }) => {
      window.crowd = await Promise.all(Array.from({ length: many }, async () => {
        const api = (method, path, body, headers = {}) => fetch(`/api/v1/rooms/${room}${path}`, { method, body, credentials: 'omit', headers });
        window.passes ??= [];
        const pass = window.passes.pop() ?? (await (await api('POST', '/guests', '{}', { 'Content-Type': 'application/json' })).json()).token;
        const headers = { Authorization: `Bearer ${pass}` };
        const seat = await api('PUT', '/seat', undefined, headers);
        if (!seat.ok) throw new Error(`a guest's seat: ${seat.status} ${await seat.text()}`);
        const connection = new RTCPeerConnection();
        connection.addTransceiver('audio', { direction: 'recvonly' });
        await connection.setLocalDescription();
        const answer = await api('POST', '/whep', connection.localDescription.sdp, { ...headers, 'Content-Type': 'application/sdp' });
        if (!answer.ok) throw new Error(`a guest's session: ${answer.status} ${await answer.text()}`);
        await connection.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
        return { connection, headers, pass, location: answer.headers.get('Location') };
      }));
    }, { many, room: this.room });
  }

  /** They go. */
  async go() {
    await this.page.evaluate(async () => {
      for (const { connection, headers, pass, location } of window.crowd.splice(0)) {
        connection.close();
        await fetch(location, { method: 'DELETE', credentials: 'omit', headers });
        window.passes.push(pass);
      }
    });
  }
}
