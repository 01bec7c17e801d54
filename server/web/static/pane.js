// One framed image. It keeps the shown image until the next one is ready. Without an image
// it shows a message.

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

  // show displays loaded images, one for each <img> of the pane.
  show(...images) {
    this.busy(false);
    const old = this.#urls;
    this.#urls = images.map((image) => image.url);
    const [{ width, height, type }] = images;
    if (!width) {
      this.say(`${type} can’t be shown by this browser`, 'The image itself is valid. Copy the URL to save it.');
    } else {
      this.#canvas.querySelectorAll('img').forEach((img, i) => { img.src = images[i].url; });
      this.#canvas.style.setProperty('--ratio', width / height);
      this.#canvas.style.setProperty('--natural', `${width}px`);
      this.#canvas.hidden = false;
      this.#message.hidden = true;
    }
    old.forEach(URL.revokeObjectURL);
  }

  // say shows text in place of the image: one or more lines, the first as a title.
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

  // note is say for a message that is not an error.
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
