/** Google's own client talks to the Live service with a token of the gateway's. */

import { GoogleGenAI } from '@google/genai';

import { given, holds, judge } from './judge.mjs';

await judge(async () => {
  const answer = await fetch(`${given.url}/api/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  holds(answer.status === 201, `the gateway answered ${answer.status}`);
  const { token, model, live_url: live } = await answer.json();
  const client = new GoogleGenAI({ apiKey: token, httpOptions: { apiVersion: 'v1alpha', baseUrl: live.replace(/^ws/, 'http') } });
  let tell;
  const over = new Promise((resolve, reject) => (tell = { resolve, reject }));
  const heard = { audio: 0, text: '' };
  const session = await client.live.connect({
    model,
    config: { responseModalities: ['AUDIO'] },
    callbacks: {
      onmessage: ({ serverContent }) => {
        for (const { inlineData } of serverContent?.modelTurn?.parts ?? []) heard.audio += inlineData?.data.length ?? 0;
        heard.text += serverContent?.outputTranscription?.text ?? '';
        if (serverContent?.turnComplete) tell.resolve();
      },
      onerror: (event) => tell.reject(new Error(`the socket failed: ${event.message}`)),
      onclose: ({ code, reason }) => tell.reject(new Error(`closed with ${code}: ${reason}`)),
    },
  });
  session.sendRealtimeInput({ text: 'Hello' });
  await over;
  holds(heard.audio > 10_000, 'no sound came');
  holds(heard.text.length > 0, 'the transcription that the token asks for did not come');
  session.close();
}, async () => {});
