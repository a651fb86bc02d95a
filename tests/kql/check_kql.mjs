// Checks queries with the language service of Kusto: syntax, and every name against the tables of tables.json.
//
//   node check_kql.mjs FILE...     a FILE is a query (.kql) or a workbook (.json)
//
// Prints JSON: for each query (by file, or by the title in a workbook) its mistakes and its syntax tree.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
require("@kusto/language-service-next/bridge.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.js");
const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

function knownTables() {
  const tables = JSON.parse(readFileSync(new URL("tables.json", import.meta.url), "utf8"));
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
    return Symbols.TableSymbol.From(`(${schema.join(", ")})`).WithName(name);
  });
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));
}

function* queriesOf(file) {
  const text = readFileSync(file, "utf8");
  if (!file.endsWith(".json")) yield [file, text];
  else for (const { title, query } of workbookQueries(JSON.parse(text))) yield [title, query];
}

function* workbookQueries(node) {
  if (node === null || typeof node !== "object") return;
  if (typeof node.query === "string") yield node;
  for (const child of Object.values(node)) yield* workbookQueries(child);
}

function mistakes(text, code) {
  return Array.from({ length: code.GetDiagnostics().Count }, (_, index) => {
    const found = code.GetDiagnostics().getItem(index);
    const line = text.slice(0, found.Start).split("\n").length;
    return `line ${line}: ${found.Message}`;
  });
}

const KINDS = Object.fromEntries(
  Object.entries(globalThis.Kusto.Language.Syntax.SyntaxKind).map(([name, value]) => [value, name]),
);

function tree(node) {
  if (node.IsToken) return { kind: KINDS[node.Kind], text: node.Text };
  const children = Array.from({ length: node.ChildCount }, (_, index) => node.GetChild(index));
  return { kind: KINDS[node.Kind], children: children.filter((child) => child).map(tree) };
}

const globals = knownTables();
const queries = process.argv.slice(2).flatMap((file) => [...queriesOf(file)]);
const found = queries.map(([name, text]) => {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  return [name, { mistakes: mistakes(text, code), tree: tree(code.Syntax) }];
});
console.log(JSON.stringify(Object.fromEntries(found)));
