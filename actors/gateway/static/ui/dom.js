/** Small helpers for the document. */

/** Gives the element of an id. */
export const $ = (id) => document.getElementById(id);

/** Makes an element with properties and children; texts are texts, never markup. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data = {}, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Fills a select with `{value, label}` choices and keeps what was chosen, where it is still there. */
export function choices(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(({ value, label }) => make('option', { value, textContent: label })));
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}
