// Compares what this program would send with the published test vectors.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Partitioners } from "kafkajs";
import { HEADER, encode, headers } from "./event.js";

/** Prints the name of each vector that differs; the exit code. */
export function checkVectors(schema, path) {
  const file = JSON.parse(readFileSync(path, "utf8"));
  const differing = file.vectors.filter((vector) => !same(schema, vector)).map((v) => v.name);
  if (HEADER.toString("hex") !== file.header_hex) differing.unshift("header_hex");
  for (const name of differing) console.error(`differs: ${name}`);
  console.log(`${file.vectors.length} vectors, ${differing.length} differ`);
  return differing.length ? 1 : 0;
}

function same(schema, vector) {
  return (
    encode(schema, vector.event).toString("hex") === vector.value_hex &&
    isDeepStrictEqual(withMillis(headers(vector.event)), withMillis(vector.headers)) &&
    Object.entries(vector.partition_of).every(
      ([count, expected]) => partition(vector.key, Number(count)) === expected,
    )
  );
}

/** RFC 3339 allows "Z" and "+00:00". */
function withMillis(found) {
  return { ...found, ce_time: Date.parse(found.ce_time) };
}

function partition(key, count) {
  const partitionMetadata = Array.from({ length: count }, (_, id) => ({ partitionId: id, leader: 0 }));
  return Partitioners.DefaultPartitioner()({ topic: "", partitionMetadata, message: { key } });
}
