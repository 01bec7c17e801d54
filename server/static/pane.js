// One framed image: it keeps what it shows until the next is ready, and shows a
// message where there is none.

export class Pane {
  #root; #canvas; #message; #urls = [];

  constructor(root) {
    this.#root = root;
    this.#canvas = root.querySelector('.canvas');
    this.#message = root.querySelector('.message');
  }

  busy(on) {
    this.#root.classList.toggle('busy', on);
    this.#root.setAttribute('aria-busy', String(on));
  }

  // show puts loaded images in place, one for each <img> of the pane.
  show(...images) {
    this.busy(false);
    const old = this.#urls;
    this.#urls = images.map((image) => image.url);
    const [{ width, height, type }] = images;
    if (!width) {
      this.say(`${type} can’t be shown by this browser`, 'The bytes are as asked for: copy the URL to save them.');
    } else {
      this.#canvas.querySelectorAll('img').forEach((img, i) => { img.src = images[i].url; });
      this.#canvas.style.setProperty('--ratio', width / height);
      this.#canvas.style.setProperty('--natural', `${width}px`);
      this.#canvas.hidden = false;
      this.#message.hidden = true;
    }
    old.forEach(URL.revokeObjectURL);
  }

  // say shows words in place of the image: lines of text, the first as a title.
  say(...lines) {
    this.busy(false);
    this.#message.classList.remove('note');
    this.#canvas.hidden = true;
    this.#message.replaceChildren(...lines.filter(Boolean).map((line, i) => {
      const p = document.createElement(i ? 'p' : 'strong');
      p.textContent = line;
      return p;
    }));
    this.#message.hidden = false;
  }

  // note is say where nothing is wrong.
  note(...lines) {
    this.say(...lines);
    this.#message.classList.add('note');
  }

  refuse(err) {
    this.say(err.status ? `${err.status} ${err.code}` : err.code ?? err.name, err.message, err.requestID && `request ${err.requestID}`);
  }

  caption(...facts) {
    this.#root.querySelector('.facts').textContent = facts.filter(Boolean).join(' · ');
  }
}
