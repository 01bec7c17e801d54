// Each control shows the value of an option, and reports when a user changes it.

const isOn = (value) => ['', '1', 'true'].includes(value);

// colorOf reads a bg value: { hex: "#rrggbb", alpha: 0–255 }, or undefined.
function colorOf(value) {
  const digits = /^[0-9a-f]+$/i.test(value) && [3, 4, 6, 8].includes(value.length);
  const css = digits ? `#${value}` : value;
  if (!value || !CSS.supports('color', css)) return undefined;
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b, alpha] = context.getImageData(0, 0, 1, 1).data;
  return { hex: `#${[r, g, b].map((n) => n.toString(16).padStart(2, '0')).join('')}`, alpha };
}

// For each kind, show displays a value (undefined: the default). read returns the value
// that the user set with the element target (null: the default).
const kinds = {
  range: {
    show(root, value, fallback) {
      const field = root.querySelector('.value');
      const fits = (text) => !Number.isNaN(Number(text)) || (field.type === 'text' && text.endsWith('%'));
      const number = value === undefined || !fits(value) ? '' : value;
      // While the user types "1." or "1.0", leave the text.
      if (document.activeElement !== field || Number(field.value) !== Number(number)) field.value = number;
      const slide = root.querySelector('.slide');
      const at = [number, fallback].find((text) => text !== '' && !Number.isNaN(Number(text)));
      slide.value = at ?? slide.min;
    },
    read: (root, target, fallback) => (target.value === '' || Number(target.value) === Number(fallback) ? null : target.value),
  },
  flag: {
    show(root, value, fallback) {
      root.querySelector('.value').checked = isOn(value ?? fallback);
    },
    read: (root, target, fallback) => (target.checked === isOn(fallback) ? null : target.checked ? '1' : '0'),
  },
  color: {
    show(root, value) {
      const field = root.querySelector('.value');
      if (field.value !== (value ?? '')) field.value = value ?? '';
      const color = colorOf(value ?? '');
      root.querySelector('.swatch').value = color?.hex ?? '#ffffff';
      root.querySelector('.alpha').value = color?.alpha ?? 255;
    },
    read(root, target) {
      if (target.classList.contains('value')) return target.value.trim() || null;
      const alpha = Number(root.querySelector('.alpha').value);
      return root.querySelector('.swatch').value.slice(1) + (alpha < 255 ? alpha.toString(16).padStart(2, '0') : '');
    },
  },
  text: {
    show(root, value) {
      const field = root.querySelector('.value');
      if (field.value !== (value ?? '')) field.value = value ?? '';
    },
    read: (root, target) => target.value || null,
  },
  choice: {
    show(root, value, fallback) {
      const fields = [...root.querySelectorAll('.value')];
      const chosen = fields.find((f) => f.value === value) ?? (value === undefined ? fields.find((f) => f.value === fallback || f.value === '') : undefined);
      for (const f of fields) f.checked = f === chosen;
    },
    read: (root, target, fallback) => (target.value === '' || target.value === fallback ? null : target.value),
  },
};
kinds.compass = kinds.choice;

const element = (name, properties, attributes = {}) => {
  const e = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
};

// furnish adds what each control has beside its field: the buttons that reset and explain it,
// and places for an error and the explanation.
function furnish(root, name) {
  const label = root.querySelector('.label').firstChild.textContent.trim();
  const side = element('div', { className: 'side' });
  side.append(
    element('button', { type: 'button', className: 'reset', textContent: '×', title: 'Reset', hidden: true }, { 'aria-label': `Reset ${label}` }),
    element('button', { type: 'button', className: 'about', textContent: '?' }, { 'aria-label': `About ${label}`, 'aria-expanded': 'false', 'aria-controls': `about-${name}` }),
  );
  root.querySelector('.field').after(side);
  root.append(
    element('p', { className: 'fault', id: `fault-${name}`, hidden: true }),
    element('p', { className: 'help', id: `about-${name}`, hidden: true }, { 'aria-live': 'polite' }),
  );
}

// Controls binds every control of the page. facts describe the options. change(name, value)
// is called when the user sets one.
export class Controls {
  #help; // what each option means, as a promise, once it was asked for
  #roots = new Map();
  #facts;

  constructor(facts, change) {
    this.#facts = new Map(facts.map((f) => [f.name, f]));
    for (const root of document.querySelectorAll('.option')) {
      const name = root.dataset.option;
      const { kind, default: fallback } = this.#facts.get(name);
      this.#roots.set(name, root);
      furnish(root, name);
      root.querySelector('.field').addEventListener('input', (e) => change(name, kinds[kind].read(root, e.target, fallback)));
      root.querySelector('.reset').addEventListener('click', () => {
        change(name, null);
        root.querySelector('.value').focus();
      });
      root.querySelector('.about').addEventListener('click', async ({ currentTarget: button }) => {
        const help = root.querySelector('.help');
        help.hidden = !help.hidden;
        button.setAttribute('aria-expanded', String(!help.hidden));
        if (!help.textContent) help.replaceChildren(...await this.#about(name));
      });
      root.querySelector('.quick')?.addEventListener('click', (e) => {
        if (e.target.value) change(name, e.target.value);
      });
    }
  }

  // about returns what an option means, as nodes.
  async #about(name) {
    this.#help ??= fetch(new URL('./help.json', import.meta.url)).then((answer) => answer.json());
    try {
      const text = (await this.#help)[name];
      return text.split('\x60').map((part, i) => (i % 2 ? Object.assign(document.createElement('code'), { textContent: part }) : part));
    } catch {
      this.#help = undefined;
      return ['The server doesn’t answer.'];
    }
  }

  // show updates all controls. options are those of the URL. shown has values that
  // result from other options.
  show(options, shown) {
    const changed = new Map();
    for (const [name, root] of this.#roots) {
      const { kind, default: fallback, group } = this.#facts.get(name);
      kinds[kind].show(root, options.get(name) ?? shown[name], fallback);
      root.classList.toggle('changed', options.has(name));
      root.querySelector('.reset').hidden = !options.has(name);
      for (const button of root.querySelectorAll('.quick button')) button.setAttribute('aria-pressed', String(button.value === options.get(name)));
      if (options.has(name)) changed.set(group, (changed.get(group) ?? 0) + 1);
    }
    for (const group of document.querySelectorAll('.group')) {
      const count = changed.get(group.dataset.group);
      group.querySelector('.changed').textContent = count ? `${count} set` : '';
    }
  }

  // blame shows an error beside the control that it names, and hides all others.
  blame(name, message) {
    for (const [other, root] of this.#roots) {
      const fault = root.querySelector('.fault');
      fault.hidden = other !== name;
      fault.textContent = other === name ? message : '';
      for (const field of root.querySelectorAll('.value')) field.setAttribute('aria-invalid', String(other === name));
    }
    if (name) this.reveal(name);
  }

  // reveal opens the group of a control.
  reveal(name) {
    this.#roots.get(name)?.closest('details').setAttribute('open', '');
  }

  focus(name) {
    const root = this.#roots.get(name);
    this.reveal(name);
    (root.querySelector('.value:checked') ?? root.querySelector('.value')).focus();
    root.scrollIntoView({ block: 'nearest' });
  }
}
