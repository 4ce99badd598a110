// Sends the events on standard input, one JSON object a line, and prints id and partition.
//
//   node emit.js SCHEMA.avsc < events.jsonl
//   node emit.js SCHEMA.avsc VECTORS.json    # compare with the published test vectors instead
import { createInterface } from "node:readline";
import { Kafka, Partitioners } from "kafkajs";
import { checkVectors } from "./check.js";
import { complete, encode, headers, readSchema } from "./event.js";

async function send(schema) {
  const kafka = new Kafka({
    brokers: (process.env.KAFKA_BROKERS || "127.0.0.1:9092").split(","),
    logLevel: 1, // errors
  });
  const producer = kafka.producer({
    // Hashes the key as Java does, with murmur2; the legacy one does not.
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
  });
  const topic = process.env.AUDIT_TOPIC || "audit.events.v1";
  await producer.connect();
  try {
    for await (const line of createInterface({ input: process.stdin })) {
      const event = complete(JSON.parse(line));
      const message = {
        key: event.org_id,
        value: encode(schema, event),
        headers: headers(event),
      };
      // Throws when Kafka did not acknowledge it: send it again with the same id and time. A
      // service that emits much gives several messages to one send.
      const [placed] = await producer.send({ topic, acks: -1, messages: [message] });
      console.log(event.event_id, placed.partition);
    }
  } finally {
    await producer.disconnect();
  }
}

const [schemaFile, vectorFile] = process.argv.slice(2);
if (!schemaFile) {
  console.error("usage: node emit.js SCHEMA.avsc [VECTORS.json]");
  process.exit(2);
}
const schema = readSchema(schemaFile);
if (vectorFile) {
  process.exitCode = checkVectors(schema, vectorFile);
} else {
  await send(schema);
}
