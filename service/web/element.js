/** Building DOM nodes. */

/**
 * Make an element. Text stays text: nothing that comes from the service is read as HTML.
 *
 * @param {string} tag
 * @param {Object<string, unknown>} attributes - as HTML has them; false, null: left out
 * @param {...(Node|string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** The same for SVG. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(made, attributes);
  made.append(...children);
  return made;
}

/** What the page has under an id. */
export function byId(id) {
  return document.getElementById(id);
}

function set(made, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
}
