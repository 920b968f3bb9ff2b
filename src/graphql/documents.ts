/**
 * Parses and validates documents, and remembers those that were valid: clients send the same few again and
 * again, and to validate one costs several times what most cost to execute.
 */
import { type DocumentNode, type GraphQLError, type GraphQLSchema, validate } from 'graphql';
import { checkDocumentSize } from './document-size.js';
import { parseBounded } from './limits.js';

/** Of the texts that are remembered: a parsed document takes some hundred times its text in bytes. */
const MAX_LENGTH = 64 * 1024;

export class Documents {
  readonly #schema: GraphQLSchema;
  /** The valid ones by their text, those first that were asked for longest ago. */
  readonly #byText = new Map<string, DocumentNode>();
  #length = 0;

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  /** Nobody may change the document: others are given the same. @throws GraphQLError */
  parse(text: string): DocumentNode {
    const known = this.#byText.get(text);
    if (known !== undefined) {
      this.#byText.delete(text);
      this.#byText.set(text, known);
      return known;
    }
    return parseBounded(text);
  }

  /** What is wrong with a document of `parse`. */
  validate(document: DocumentNode): readonly GraphQLError[] {
    const text = document.loc?.source.body;
    if (text !== undefined && this.#byText.get(text) === document) return [];
    const tooMuch = checkDocumentSize(document, this.#schema);
    if (tooMuch.length > 0) return tooMuch;
    const errors = validate(this.#schema, document);
    if (errors.length === 0 && text !== undefined) this.#remember(text, document);
    return errors;
  }

  #remember(text: string, document: DocumentNode): void {
    if (text.length > MAX_LENGTH || this.#byText.has(text)) return;
    this.#byText.set(text, document);
    this.#length += text.length;
    for (const [oldest] of this.#byText) {
      if (this.#length <= MAX_LENGTH) return;
      this.#byText.delete(oldest);
      this.#length -= oldest.length;
    }
  }
}
