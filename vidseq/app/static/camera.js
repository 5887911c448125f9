// The camera: shows it, and sends its pictures at the models' rate. The next goes when the one before was answered.
import { byId, element, percent, words } from './elements.js';
import { call } from './api.js';

const WIDTH = 480;

export class Camera {
  // moved(seconds) is called with each picture that the models have seen, failed(error) when it ends by itself.
  constructor(player, moved, failed) { Object.assign(this, { player, moved, failed, stream: null }); }

  get on() { return this.stream !== null; }

  async start() {
    if (!navigator.mediaDevices) throw new Error('The camera needs a page of this machine or https. Open the app at 127.0.0.1.');
    let stream;
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false }); }
    catch (error) { throw new Error(`The camera cannot be used: ${error.message || error.name}. Allow it for this page.`); }
    try { this.rate = (await call('/api/live', { method: 'POST' })).rate; }
    catch (error) { stream.getTracks().forEach(track => track.stop()); throw error; }
    this.stream = stream;
    this.player.close(); this.player.show('camera', 'Live: what the models have seen so far stays in their memory.');
    this.player.video.srcObject = stream; this.player.video.muted = true;
    await this.player.video.play();
    byId('said').hidden = false; byId('said').replaceChildren();
    this.started = performance.now();
    this.loop(stream);
  }

  async loop(stream) {
    const canvas = document.createElement('canvas'), video = this.player.video;
    try {
      while (this.stream === stream) {
        const seconds = (performance.now() - this.started) / 1000;
        if (video.videoWidth) {
          canvas.width = Math.min(WIDTH, video.videoWidth); canvas.height = Math.max(1, Math.round(canvas.width * video.videoHeight / video.videoWidth));
          canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
          const picture = await new Promise(resolve => canvas.toBlob(resolve, 'image/jpeg', 0.85));
          const found = await call(`/api/live/pictures?time=${seconds.toFixed(3)}`, { method: 'POST', body: picture });
          if (this.stream !== stream) return;
          this.say(found.said); this.moved(found.seconds);
        }
        const due = this.started + 1000 * (seconds + 1 / this.rate);
        await new Promise(resolve => setTimeout(resolve, Math.max(0, due - performance.now())));
      }
    } catch (error) { if (this.stream === stream) { this.stop(); this.failed(error); } }
  }

  say(said) {
    byId('said').replaceChildren(...Object.entries(said).flatMap(([name, lines]) => lines.map(line => element('li', `${name}, ${line.what}: ${words(line.answer)} ${percent(line.probability)}`))));
  }

  stop() {
    if (!this.on) return;
    this.stream.getTracks().forEach(track => track.stop());
    this.stream = null; this.player.video.srcObject = null; byId('said').hidden = true;
    call('/api/live', { method: 'DELETE' }).catch(() => {});
  }
}
