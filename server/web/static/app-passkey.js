// Forms with data-passkey ask the browser for a passkey before they are sent: data-begin is the
// URL of the challenge, and the answer goes into the last hidden field. Browsers without
// passkeys never see these forms.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

// options returns the options of a challenge with bytes in the places of base64url.
function options({ publicKey }) {
  const known = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));
  return {
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      ...(publicKey.user && { user: { ...publicKey.user, id: bytes(publicKey.user.id) } }),
      ...(publicKey.excludeCredentials && { excludeCredentials: known(publicKey.excludeCredentials) }),
      ...(publicKey.allowCredentials && { allowCredentials: known(publicKey.allowCredentials) }),
    },
  };
}

// answer returns an authenticator's answer as JSON.
function answer({ id, rawId, type, response, authenticatorAttachment }) {
  const fields = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) fields[name] = text(response[name]);
  }
  if (response.getTransports) fields.transports = response.getTransports();
  return JSON.stringify({ id, rawId: text(rawId), type, authenticatorAttachment, response: fields, clientExtensionResults: {} });
}

async function fill(form) {
  const challenge = await fetch(form.dataset.begin, { method: "POST" });
  if (!challenge.ok) throw new Error(challenge.status === 429 ? "Too many tries. Wait an hour." : "The server refused. Load the page again.");
  const made = await navigator.credentials[form.dataset.passkey](options(await challenge.json()));
  [...form.querySelectorAll("input[type=hidden]")].at(-1).value = answer(made);
}

for (const form of window.PublicKeyCredential ? document.querySelectorAll("form[data-passkey]") : []) {
  form.hidden = false;
  let filled = false;
  form.addEventListener("submit", async (event) => {
    if (filled) return;
    event.preventDefault();
    const button = form.querySelector("button");
    const fault = form.querySelector(".fault");
    button.disabled = true;
    fault.textContent = "";
    try {
      await fill(form);
      filled = true;
      form.submit();
    } catch (error) {
      // The browser's own errors have texts for programmers.
      if (error.name === "InvalidStateError") fault.textContent = "This device has a passkey for your account already.";
      else if (error instanceof DOMException) fault.textContent = "Nothing was done. The browser has no passkey, or the question was closed.";
      else fault.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}
