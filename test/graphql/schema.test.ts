/** The served schema against the one that clients rely on. */
import {
  buildClientSchema,
  buildSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  type IntrospectionInputValue,
  type IntrospectionObjectType,
  type IntrospectionQuery,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.js';
import { askGraphql } from '../support/graphql.js';

/** Every fact that clients rely on: types, fields, arguments, defaults and deprecations. */
const EXPECTED = /* GraphQL */ `
  scalar JSON
  scalar Base64

  type Query {
    devices(ids: [String!], includeAll: Boolean, include_all: Boolean @deprecated(reason: "includeAll")): [Device!]!
    device(id: String! = "default"): Device!
    streamIds(match: String, searchMeta: Boolean! = false, prefix: String! = ""): [String!]!
    streams(ids: [String!], sids: [String!] @deprecated(reason: "ids"), match: String, prefix: String! = ""): [Stream!]!
    stream(id: String!): Stream!
  }

  type Device {
    id: String!
    meta: JSON!
    streamIds(device_id: String @deprecated(reason: "device(id:)")): [String!]!
    sids: [String!]! @deprecated(reason: "streamIds")
    streams(device_id: String @deprecated(reason: "device(id:)")): [Stream!]!
    stream(streamId: String!): Stream!
  }

  type Stream {
    id: String!
    streamId: String! @deprecated(reason: "id")
    sid: String! @deprecated(reason: "id")
    length: Int!
    entriesAdded: Int!
    groups: Int!
    radixTreeKeys: Int!
    radixTreeNodes: Int!
    lastGeneratedId: String!
    maxDeletedEntryId: String!
    recordedFirstEntryId: String!
    firstEntryId: String!
    firstEntryTime: String!
    firstEntryData: Base64!
    firstEntryString: String
    firstEntryJson: JSON
    lastEntryId: String!
    lastEntryTime: String!
    lastEntryData: Base64!
    lastEntryString: String
    lastEntryJson: JSON
    error: String!
    meta: JSON!
  }

  type Mutation {
    connectDevice(deviceId: String, id: String @deprecated(reason: "deviceId"), meta: JSON): JSON!
    updateDeviceMeta(deviceId: String, id: String @deprecated(reason: "deviceId"), meta: JSON!): JSON!
    disconnectDevice(deviceId: String, id: String @deprecated(reason: "deviceId")): JSON!
    updateStreamMeta(streamId: String, sid: String @deprecated(reason: "streamId"), id: String @deprecated(reason: "streamId"), meta: JSON!, deviceId: String! = "default", update: Boolean! = false): JSON!
    deleteStream(streamId: String!, deviceId: String! = "default"): JSON!
    flush: Int!
  }

  type Subscription {
    data(streamIds: [String!]!, deviceId: String, lastEntryId: String! = "$", latest: Boolean! = false): DataPayload!
  }

  type DataPayload {
    streamId: String!
    time: String!
    data: Base64!
    string: String
    json: JSON
  }
`;

let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess();
});

afterAll(() => gateway?.stop());

async function introspect(descriptions: boolean): Promise<IntrospectionQuery> {
  const query = getIntrospectionQuery({ descriptions, inputValueDeprecation: true });
  const { data, errors } = await askGraphql<IntrospectionQuery>(gateway, query);
  expect(errors).toBeUndefined();
  return data!;
}

const facts = (schema: GraphQLSchema) => printSchema(lexicographicSortSchema(schema));

test('the schema is what clients rely on, no more and no less', async () => {
  expect(facts(buildClientSchema(await introspect(false)))).toBe(facts(buildSchema(EXPECTED)));
});

describe('descriptions', () => {
  const own = ({ __schema }: IntrospectionQuery) =>
    __schema.types.filter(
      (type): type is IntrospectionObjectType => type.kind === 'OBJECT' && !type.name.startsWith('__'),
    );

  test('every type has one', async () => {
    const { __schema } = await introspect(true);
    const types = __schema.types.filter(({ name }) => !name.startsWith('__'));
    expect(types.filter(({ description }) => !description).map(({ name }) => name)).toEqual([]);
  });

  test('every field and argument that is no alias has one', async () => {
    const bare = own(await introspect(true)).flatMap(({ name: type, fields }) =>
      fields.flatMap(({ name, description, isDeprecated, args }) => [
        ...(description || isDeprecated ? [] : [`${type}.${name}`]),
        ...args
          .filter((arg: IntrospectionInputValue) => !arg.description && !arg.isDeprecated)
          .map((arg) => `${type}.${name}(${arg.name})`),
      ]),
    );
    expect(bare).toEqual([]);
  });
});
