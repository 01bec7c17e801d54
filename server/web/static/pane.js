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

  // refuse says what an error means and what to do. advice is { means, do, whole, path,
  // title, form }. A form leads back to the page at the path back.
  refuse(err, advice, back) {
    const { message, status, code, requestID } = err;
    this.say(advice.means, !advice.whole && message && sentence(message), advice.do);
    if (advice.form && back) {
      this.#message.append(mending(advice, back));
    } else if (advice.path) {
      this.#message.lastElementChild.append(' ', Object.assign(document.createElement('a'), { href: advice.path, textContent: advice.title }));
    }
    const number = [status && `${status} ${code}`, requestID && `request ${requestID}`].filter(Boolean).join(' · ');
    if (number) this.#message.append(Object.assign(document.createElement('p'), { className: 'number', textContent: number }));
  }

  caption(...facts) {
    this.#root.querySelector('.facts').textContent = facts.filter(Boolean).join(' · ');
  }
}

// mending is the form that mends what an advice is about.
function mending({ form, title }, back) {
  const f = Object.assign(document.createElement('form'), { method: 'post', action: form });
  for (const [name, value] of [['do', 'first'], ['back', back]]) f.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }));
  f.append(Object.assign(document.createElement('button'), { className: 'primary', textContent: title }));
  return f;
}

// sentence gives a message a capital and a full stop. The name of an option stays as it is.
const sentence = (s) => (/^\S+:/.test(s) ? s : s[0].toUpperCase() + s.slice(1)).replace(/[^.]$/, '$&.');
