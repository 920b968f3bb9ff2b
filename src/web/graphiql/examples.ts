/**
 * The tabs of a browser's first visit; later ones show what was left there. A tab is called after its operation.
 * Lines of up to 52 characters can be read without scrolling.
 */
interface Example {
  readonly query: string;
  readonly variables: string;
}

const example = (query: string, variables?: Record<string, unknown>): Example => ({
  query: query.trim(),
  variables: variables === undefined ? '' : JSON.stringify(variables, null, 2),
});

export const EXAMPLES: Example[] = [
  // GraphiQL 4 forgets the variables of the very first tab, so this one has none.
  example(`
# The devices that are connected.
#
# Ctrl+Enter runs it, Ctrl+Space completes a field,
# the book on the left explains the whole schema.

query ListDevices {
  # includeAll: true adds those that have left.
  devices(includeAll: false) {
    id
    meta # any JSON object of the device's own
    streamIds
  }
}
`),
  example(
    `
# What is known of the streams.

query DescribeStreams($match: String) {
  # match is a pattern such as "*camera*".
  # ids: ["camera", "counter"] asks for just these,
  # and without either all are listed.
  streams(match: $match) {
    id
    length # entries that are held now
    entriesAdded # entries that were ever written
    firstEntryTime
    lastEntryTime
    lastEntryId
    meta # set with updateStreamMeta
    # Payloads: lastEntryJson, lastEntryString
    # (of UTF-8) and lastEntryData (base64).
  }
}
`,
    { match: '*' },
  ),
  example(
    `
# Marks a device as connected, which is how clients
# find it; sending and reading need no device.
# The opposite is disconnectDevice(deviceId: $id).
#
# The answer says of each step whether it changed
# anything: run it twice.

mutation ConnectDevice($id: String!, $meta: JSON) {
  connectDevice(deviceId: $id, meta: $meta)
}
`,
    { id: 'my-device', meta: { parameterA: 11.2, parameterB: 'xyz' } },
  ),
  example(
    `
# Entries as they arrive, until you press the button
# again. Run it and send something from a terminal:
#
# curl -d '{"n": 1}' ${location.origin}/data/counter
#
# Large or fast data is for the WebSocket
# /data/{sid}/pull, which needs no base64.

subscription FollowStreams($ids: [String!]!) {
  # lastEntryId: "0" starts with what is stored.
  # latest: true skips what you are too slow for.
  data(streamIds: $ids, lastEntryId: "$") {
    streamId
    time # the entry's id
    string # null where the bytes are not UTF-8
    json # null where the bytes are not JSON
    # data: the bytes, in base64
  }
}
`,
    { ids: ['counter'] },
  ),
];
