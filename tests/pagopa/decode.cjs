// Decodes IO's bodies with PagoPA's codecs: a line {"codec", "body"} in, a line {"refused", "decoded"} out.
const readline = require("node:readline");

const DEFINITIONS = "@pagopa/io-functions-commons/dist/generated/definitions/v2";

const codec = (name) => require(`${DEFINITIONS}/${name}.js`)[name];

// The parts of an intersection and of a union have numbers in the place of names.
const path = (error) =>
  error.context
    .filter((_, at, all) => at > 0 && !/^(Union|Intersection)Type$/.test(partsOf(all[at - 1].type)))
    .map(({ key }) => key)
    .join(".");
const partsOf = (type) => (type._tag === "ExactType" ? partsOf(type.type) : type._tag);

const answer = ({ codec: name, body }) => {
  let document;
  try {
    document = JSON.parse(body);
  } catch {
    return { refused: ["body"] };
  }
  const { _tag, left, right } = codec(name).decode(document);
  return _tag === "Right" ? { refused: [], decoded: right } : { refused: [...new Set(left.map(path))] };
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`));
