/** The schema, whole and alone: canonical names, and as deprecated aliases those that older clients use. */
export const SCHEMA = /* GraphQL */ `
"Any JSON value."
scalar JSON
"Bytes, base64-encoded."
scalar Base64

"What there is: devices, streams, and what they hold."
type Query {
  "Connected devices; every device ever seen with includeAll; exactly these with ids."
  devices(
    "These devices, whether they were ever seen or not."
    ids: [String!]
    "Every device ever seen, connected or not."
    includeAll: Boolean
    include_all: Boolean @deprecated(reason: "includeAll")
  ): [Device!]!
  "One device, whether it was ever seen or not."
  device("Its id." id: String! = "default"): Device!
  "Stream keys, sorted: those of streams, and of streams that only have metadata."
  streamIds(
    "A Redis glob that the keys must fit, as \`camera:*\`."
    match: String
    "Only streams that have metadata."
    searchMeta: Boolean! = false
    "What the keys begin with, letter for letter; \`match\` then counts from behind it."
    prefix: String! = ""
  ): [String!]!
  "Streams by their ids, in the order asked for; without ids all of them by their keys, sorted."
  streams(
    "Each a whole key, or the id of a stream of the default device."
    ids: [String!]
    sids: [String!] @deprecated(reason: "ids")
    "A Redis glob that the keys must fit."
    match: String
    "What the keys begin with, letter for letter."
    prefix: String! = ""
  ): [Stream!]!
  "One stream: its whole key, or the id of a stream of the default device."
  stream("A whole key, or the id of a stream of the default device." id: String!): Stream!
}

"Something that has streams, such as a camera or a robot. Their keys begin with its id and a colon."
type Device {
  "What its streams' keys begin with."
  id: String!
  "What was attached to the device; an empty object where that is nothing."
  meta: JSON!
  "Ids of the device's streams, without the device's part of the key."
  streamIds("List that device's streams instead of this one's." device_id: String @deprecated(reason: "device(id:)")): [String!]!
  sids: [String!]! @deprecated(reason: "streamIds")
  "The device's streams, by their ids without the device's part of the key."
  streams("List that device's streams instead of this one's." device_id: String @deprecated(reason: "device(id:)")): [Stream!]!
  "One of the device's streams."
  stream("Its id without the device's part of the key." streamId: String!): Stream!
}

"A stream, as XINFO STREAM tells it, with its first and last entry broken out."
type Stream {
  "The id that was asked for; in listings without ids the whole key."
  id: String!
  streamId: String! @deprecated(reason: "id")
  sid: String! @deprecated(reason: "id")
  "Entries that the stream holds now."
  length: Int!
  "Entries that were ever added."
  entriesAdded: Int!
  "Consumer groups."
  groups: Int!
  "Keys of the radix tree that Redis keeps the stream in."
  radixTreeKeys: Int!
  "Nodes of the radix tree that Redis keeps the stream in."
  radixTreeNodes: Int!
  "The id given last, whether its entry is still there or not."
  lastGeneratedId: String!
  "The greatest id that was deleted."
  maxDeletedEntryId: String!
  "The first entry's id as Redis has recorded it."
  recordedFirstEntryId: String!
  "The oldest entry's id, as \`1638125133432-0\`; empty where there is none."
  firstEntryId: String!
  "The oldest entry's time, ISO 8601 in UTC with milliseconds; empty where there is none."
  firstEntryTime: String!
  "The oldest entry's bytes."
  firstEntryData: Base64!
  "The oldest entry as text; null where its bytes are not UTF-8."
  firstEntryString: String
  "The oldest entry as JSON; null where it does not parse."
  firstEntryJson: JSON
  "The newest entry's id; empty where there is none."
  lastEntryId: String!
  "The newest entry's time, ISO 8601 in UTC with milliseconds; empty where there is none."
  lastEntryTime: String!
  "The newest entry's bytes."
  lastEntryData: Base64!
  "The newest entry as text; null where its bytes are not UTF-8."
  lastEntryString: String
  "The newest entry as JSON; null where it does not parse."
  lastEntryJson: JSON
  "What Redis says against the key, as \`no such key\`; empty where it says nothing."
  error: String!
  "What was attached to the stream; an empty object where that is nothing."
  meta: JSON!
}

"Each answer's booleans say whether that step changed anything."
type Mutation {
  "Marks a device as connected, replaces its metadata where some is given, and tells of both in the event streams. Answers connected, the state afterwards, and whether each step changed something: connection_status_changed, is_new_device, meta_set, fired:device.connected, fired:device.meta."
  connectDevice(
    "The device, seen before or not."
    deviceId: String
    id: String @deprecated(reason: "deviceId")
    "A JSON object; without it what is there stays."
    meta: JSON
  ): JSON!
  "Replaces a device's metadata and tells of it. Answers is_new_device, meta_set, fired:device.meta."
  updateDeviceMeta(
    "The device, connected or not."
    deviceId: String
    id: String @deprecated(reason: "deviceId")
    "A JSON object."
    meta: JSON!
  ): JSON!
  "Marks a device as not connected; it stays among those seen. Answers connection_status_changed, connected, fired:device.connected."
  disconnectDevice("The device." deviceId: String, id: String @deprecated(reason: "deviceId")): JSON!
  "Replaces a stream's metadata; with update: true merges it into what is there, at once for all writers. Answers meta_set."
  updateStreamMeta(
    "A whole key or the id of one of the default device's streams; with deviceId the id of one of that device's."
    streamId: String
    sid: String @deprecated(reason: "streamId")
    id: String @deprecated(reason: "streamId")
    "A JSON object."
    meta: JSON!
    "The device that the stream is one of."
    deviceId: String! = "default"
    "Keep what is there and is not given anew."
    update: Boolean! = false
  ): JSON!
  "Deletes a stream and its metadata. Answers data_deleted, meta_deleted, stream_deleted."
  deleteStream(
    "A whole key or the id of one of the default device's streams; with deviceId the id of one of that device's."
    streamId: String!
    "The device that the stream is one of."
    deviceId: String! = "default"
  ): JSON!
  "Empties the database and answers how many keys there were; refused unless ALLOW_FLUSH."
  flush: Int!
}

"What comes, as it comes."
type Subscription {
  "Entries as they arrive, after lastEntryId ($: from now on)."
  data(
    "Whole keys or ids of the default device's streams; with deviceId ids of that device's."
    streamIds: [String!]!
    "The device that the streams are of."
    deviceId: String
    "One entry id for all streams: $ for from now on, 0 for from the beginning, ms or ms-seq."
    lastEntryId: String! = "$"
    "Skip to the newest entry whenever the client can take one."
    latest: Boolean! = false
  ): DataPayload!
}

"One entry."
type DataPayload {
  "The id that was asked for."
  streamId: String!
  "The entry id."
  time: String!
  "The entry's bytes."
  data: Base64!
  "The entry as text; null where the bytes are not UTF-8."
  string: String
  "The entry as JSON; null where the bytes are not."
  json: JSON
}
`;
