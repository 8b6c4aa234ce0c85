// Shows the OpenAPI document. Everything goes in as text, so nothing in the document can become markup.

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const pretty = (value) => JSON.stringify(value, null, 2);
const nameOf = (reference) => reference.split("/").pop();

function typeOf(schema = {}) {
  if (schema.$ref) return make("a", { href: `#shape-${nameOf(schema.$ref)}` }, nameOf(schema.$ref));
  if (schema.anyOf) return make("span", {}, ...schema.anyOf.flatMap((part, n) => (n ? [" or ", typeOf(part)] : [typeOf(part)])));
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return make("span", {}, "list of ", typeOf(schema.items));
  return schema.type ?? "anything";
}

function fields(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, one]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, make("code", {}, name), required.has(name) ? "" : "?"),
      make("td", {}, typeOf(one)),
      make("td", {}, one.description ?? ""),
    ),
  );
  const heading = ["Field", "Type", "Meaning"].map((word) => make("th", { scope: "col" }, word));
  return make("table", {}, make("thead", {}, make("tr", {}, ...heading)), make("tbody", {}, ...rows));
}

function outcome(status, response) {
  const [kind, content] = Object.entries(response.content ?? {})[0] ?? [];
  const title = make("summary", {}, make("b", {}, status), ` ${response.description} `, make("code", {}, kind ?? ""));
  if (!content) return make("p", {}, ...title.childNodes);
  const examples = Object.values(content.examples ?? {}).map(({ value }) => make("pre", {}, pretty(value)));
  return make("details", {}, title, make("p", {}, "Shape: ", typeOf(content.schema)), ...examples);
}

function operation(path, method, one) {
  const id = `${method}${path.replaceAll(/[^a-z]+/g, "-")}`;
  const title = make("h3", { id }, make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path));
  const body = one.requestBody?.content?.["application/json"];
  const shape = body ? make("p", {}, "Body: ", typeOf(body.schema)) : "";
  const answers = Object.entries(one.responses).map(([status, response]) => outcome(status, response));
  return [id, make("article", {}, title, make("p", {}, one.description ?? one.summary ?? ""), shape, ...answers)];
}

function show(api) {
  document.querySelector("#about").textContent = api.info.description;
  const contents = document.querySelector("#contents");
  const operations = document.querySelector("#operations");
  for (const tag of api.tags) {
    operations.append(make("h2", {}, tag.description));
    const links = make("ul");
    for (const [path, methods] of Object.entries(api.paths)) {
      for (const [method, one] of Object.entries(methods)) {
        if (!one.tags?.includes(tag.name)) continue;
        const [id, article] = operation(path, method, one);
        operations.append(article);
        links.append(make("li", {}, make("a", { href: `#${id}` }, `${method.toUpperCase()} ${path}`)));
      }
    }
    contents.append(links);
  }
  const problems = document.querySelector("#problems");
  for (const [slug, { status, title }] of Object.entries(api["x-problems"])) {
    problems.append(make("dt", { id: slug }, `${slug} (${status})`), make("dd", {}, title));
  }
  const schemas = document.querySelector("#schemas");
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const examples = (schema.examples ?? []).map((example) => make("pre", {}, pretty(example)));
    schemas.append(make("h3", { id: `shape-${name}` }, name), make("p", {}, schema.description ?? ""), fields(schema), ...examples);
  }
  if (location.hash) document.querySelector(`[id="${CSS.escape(location.hash.slice(1))}"]`)?.scrollIntoView();
}

const answer = await fetch("/openapi.json");
const told = await answer.json();
if (answer.ok) show(told);
else document.querySelector("#about").textContent = `${told.title}: ${told.detail}`;
