// What node/index.d.cts and node/testing.d.cts declare, as JSON on standard output: each declaration with its kind, its
// signature as it is written, its members and its comment. Read by node_api.py. The TypeScript compiler parses; nothing
// is guessed here.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ts = createRequire(`${root}node/package.json`)('typescript');

function read(file) {
  const source = ts.createSourceFile(file, readFileSync(root + file, 'utf8'), ts.ScriptTarget.Latest, true);
  return { file, comment: packageComment(source), declarations: source.statements.flatMap((node) => declaration(node, source)) };
}

/** The text of a comment, and its tags: each begins a line with its @. */
function parsed(comment) {
  const lines = comment.slice(3, -2).split('\n').map((line) => line.replace(/^\s*\* ?/, '').trimEnd());
  const [text, ...tags] = lines.join('\n').split(/^(?=@\w)/m);
  return {
    text: text.trim(),
    tags: tags.map((tag) => ({ name: tag.match(/^@(\w+)/)[1], text: tag.replace(/^@\w+/, '').trim() })),
  };
}

/** The comment with @packageDocumentation: the first of the file. */
function packageComment(source) {
  const text = source.getFullText();
  const [first] = ts.getLeadingCommentRanges(text, 0) ?? [];
  return parsed(text.slice(first.pos, first.end));
}

function comment(node) {
  const [doc] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).slice(-1);
  return parsed(doc === undefined ? '/***/' : doc.getText());
}

const isExported = (node) => (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Export) !== 0;
const isPrivate = (node) => (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private) !== 0;
const line = (node, source) => source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
const squeezed = (text) => text.replace(/\s+/g, ' ').replace(/;$/, '').trim();

function declaration(node, source) {
  if (ts.isImportDeclaration(node)) return [];
  if (ts.isVariableStatement(node)) {
    return node.declarationList.declarations.map((one) => {
      const literal = one.type !== undefined && ts.isTypeLiteralNode(one.type);
      return {
        kind: 'constant',
        name: one.name.text,
        signature: literal ? one.name.text : squeezed(one.getText()),
        exported: isExported(one),
        line: line(node, source),
        members: literal ? members(one.type, source) : [],
        ...comment(node),
      };
    });
  }
  const kinds = [
    [ts.isClassDeclaration, 'class'],
    [ts.isInterfaceDeclaration, 'interface'],
    [ts.isTypeAliasDeclaration, 'type'],
    [ts.isFunctionDeclaration, 'function'],
  ];
  const kind = kinds.find(([is]) => is(node))?.[1];
  if (kind === undefined) throw new Error(`${source.fileName}:${line(node, source)}: ${ts.SyntaxKind[node.kind]} is not known here`);
  const name = node.name.text;
  let signature = squeezed(node.getText().replace(/^(export |declare |type |function )+/g, ''));
  if (kind === 'class' || kind === 'interface') {
    signature = [name, ...(node.heritageClauses ?? []).map((clause) => squeezed(clause.getText()))].join(' ');
  }
  return [{ kind, name, signature, exported: isExported(node), line: line(node, source), members: members(node, source), ...comment(node) }];
}

function members(node, source) {
  return (node.members ?? []).filter((member) => !isPrivate(member)).map((member) => {
    const constructs = ts.isConstructorDeclaration(member);
    const calls = constructs || ts.isMethodSignature(member) || ts.isMethodDeclaration(member);
    return {
      kind: calls ? 'method' : 'property',
      name: constructs ? 'constructor' : member.name.getText(),
      signature: squeezed(member.getText().replace(/^readonly /, '')),
      readonly: (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Readonly) !== 0,
      line: line(member, source),
      ...comment(member),
    };
  });
}

process.stdout.write(JSON.stringify(['node/index.d.cts', 'node/testing.d.cts'].map(read), null, 1));
