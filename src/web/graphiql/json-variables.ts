/** GraphiQL 4 underlines an object where a variable's type is a scalar; JSON is one that takes objects. */
import CodeMirror from 'codemirror';
// Registers the check that is replaced below.
import 'codemirror-graphql/esm/variables/lint.js';

type Check = (...given: unknown[]) => { readonly message: string }[];

const { lint } = CodeMirror as unknown as { lint: Record<string, Check> };
const check = lint['graphql-variables']!;
lint['graphql-variables'] = (...given) =>
  check(...given).filter(({ message }) => message !== 'Expected value of type "JSON".');
