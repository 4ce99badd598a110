// From an event in JSON to the bytes and headers of its Kafka record.
import { readFileSync } from "node:fs";
import avro from "avsc";
import { v7 } from "uuid";

// Goes before each datum: C3 01, then the fingerprint of audit_event.v1.avsc.
export const HEADER = Buffer.from("c30101125a43796da5a0", "hex");

/** The schema as avsc's type: its own defaults fill the fields that an event does not have. */
export function readSchema(path) {
  return avro.Type.forSchema(JSON.parse(readFileSync(path, "utf8")), { wrapUnions: false });
}

/** The event with an id and a time. Keep both for a retry. */
export function complete(event) {
  const id = event.event_id ?? v7();
  // The first 48 bits of a UUIDv7 are its time in milliseconds.
  const time = event.occurred_at ?? parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  return { ...event, event_id: id, occurred_at: new Date(time).getTime() };
}

/** The value of the Kafka record: the header, then the event in Avro's binary encoding. */
export function encode(schema, event) {
  return Buffer.concat([HEADER, schema.toBuffer(event)]);
}

/** The headers of the Kafka record: the CloudEvents Kafka binding. */
export function headers(event) {
  return {
    ce_specversion: "1.0",
    ce_id: event.event_id,
    ce_type: event.event,
    ce_source: event.context?.service || "orgtrail",
    ce_time: new Date(event.occurred_at).toISOString(),
    "content-type": "application/avro",
  };
}
