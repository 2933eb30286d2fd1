// Builds elements. Text is always set as text, never parsed as HTML: it may come from a log.

/** Returns a new element with these properties and children; a string becomes a text node. */
export function element(tag, properties = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('aria-') || name === 'role' || name === 'list') {
      created.setAttribute(name, value);
    } else if (name === 'dataset' || name === 'style') {
      Object.assign(created[name], value);
    } else {
      created[name] = value;
    }
  }
  created.append(...children);
  return created;
}

/** Returns a function that calls another one once it has not been called for a while. */
export function debounced(call, milliseconds) {
  let timer = null;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
