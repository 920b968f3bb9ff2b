/**
 * The parts of an OpenAPI description that this one is made of.
 * Source: https://spec.openapis.org/oas/v3.1.1
 */
import type { FAILURES, FailureCode } from '../protocol/errors.js';

/** JSON Schema, draft 2020-12. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  /** Markdown, as every description. */
  readonly description: string;
  readonly schema: Schema;
  readonly example?: string | number;
}

export interface HeaderObject {
  readonly description: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

export interface MediaType {
  readonly schema?: Schema;
  readonly example?: unknown;
}

export interface ResponseObject {
  readonly description: string;
  readonly headers?: Readonly<Record<string, HeaderObject>>;
  readonly content?: Readonly<Record<string, MediaType>>;
}

export interface RequestBody {
  readonly description: string;
  readonly required: boolean;
  readonly content: Readonly<Record<string, MediaType>>;
}

/** How others call it, too: https://redocly.com/docs/api-reference-docs/specification-extensions/x-code-samples */
export interface CodeSample {
  readonly lang: 'curl' | 'HTML' | 'JavaScript' | 'Python';
  readonly source: string;
}

/** What OpenAPI has no words for: how a WebSocket goes on after its 101. */
export interface WebSocketDescription {
  /** Failures that close it, by close code. */
  readonly closeCodes: Readonly<Record<string, readonly FailureCode[]>>;
}

/** Who is let in: nobody asked, or who brings a token, where access control is on. */
export type Security = readonly Readonly<Record<string, readonly string[]>>[];

export interface SecurityScheme {
  readonly type: 'http' | 'apiKey';
  readonly scheme?: string;
  readonly in?: 'header' | 'query';
  readonly name?: string;
  readonly description: string;
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly [string];
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: RequestBody;
  readonly responses: Readonly<Record<string, ResponseObject>>;
  readonly security?: Security;
  readonly 'x-websocket'?: WebSocketDescription;
  readonly 'x-codeSamples'?: readonly CodeSample[];
}

/** OPTIONS and HEAD work everywhere, and are described once, in the document's own description. */
export interface PathItem {
  readonly get?: Operation;
  readonly post?: Operation;
}

/** By address, as `/data/{sid}`. */
export type Paths = Readonly<Record<string, PathItem>>;

export type Failures = Readonly<
  Record<FailureCode, Pick<(typeof FAILURES)[FailureCode], 'status' | 'close' | 'retry' | 'meaning'>>
>;

/** The whole of it. */
export interface Description {
  readonly openapi: string;
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: { readonly name: string; readonly identifier: string };
  };
  readonly servers: readonly { readonly url: string }[];
  readonly security: Security;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Paths;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, SecurityScheme>>;
  };
  /** Every failure, those of WebSockets too, which no response can hold. */
  readonly 'x-failures': Failures;
}
