// JSON Schemas of the API's description, as names of types.

// The members of an object: {name, required, schema}, the required ones first.
export function fieldsOf(schema, api) {
  const object = resolved(schema, api);
  const required = new Set(object.required ?? []);
  const fields = Object.entries(object.properties ?? {}).map(([name, one]) => ({ name, required: required.has(name), schema: one }));
  return fields.sort((a, b) => Number(b.required) - Number(a.required));
}

// "string | number | list of string"; objects by the names of their schemas.
export function typeName(schema, api) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) {
    const names = choices.map((one) => typeName(one, api)).filter((name) => name !== "null");
    return [...new Set(names)].join(" | ");
  }
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${schema.items ? typeName(schema.items, api) : "anything"}`;
  return schema.type ?? "anything";
}

function resolved(schema, api) {
  return schema.$ref ? api.components.schemas[schema.$ref.split("/").at(-1)] : schema;
}
